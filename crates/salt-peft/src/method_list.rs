//! What follows from the list of methods: their modules, the method table and the type that holds any
//! factors.

/// Declares the methods' modules, `METHODS` and `Factors` from the list in `methods/mod.rs`.
macro_rules! methods {
    ($($module:ident :: $method:ident $(=> $adapter:ty)?),* $(,)?) => {
        $(pub mod $module;)*

        /// The registered methods, in the order of the list.
        pub(crate) static METHODS: &[&dyn Method] = &[$(&$module::$method),*];

        methods! { @adapters [] $($module $method $(=> $adapter)?,)* }
    };
    // A method with factors is kept, one without is dropped.
    (@adapters [$($kept:tt)*] $module:ident $method:ident => $adapter:ty, $($rest:tt)*) => {
        methods! { @adapters [$($kept)* $module $method $adapter,] $($rest)* }
    };
    (@adapters [$($kept:tt)*] $module:ident $method:ident, $($rest:tt)*) => {
        methods! { @adapters [$($kept)*] $($rest)* }
    };
    (@adapters [$($module:ident $method:ident $adapter:ty,)*]) => {
        /// The factors of one part of an [`Adapter`](crate::adapter::Adapter), whichever method made
        /// them.
        #[derive(Clone, Debug)]
        #[expect(
            clippy::large_enum_variant,
            reason = "one per adapted weight, and Burn boxes it: the bytes are few and on the heap"
        )]
        pub enum Factors {
            $(#[doc = concat!("See [`", stringify!($adapter), "`].")] $method($adapter),)*
            /// See [`WholeFactors`].
            Whole(WholeFactors),
        }

        impl Factors {
            /// See [`LayerAdapter::negated_update`].
            pub fn negated_update(&self, base: Tensor<2>) -> Tensor<2> {
                match self {
                    $(Factors::$method(inner) => inner.negated_update(base),)*
                    Factors::Whole(inner) => inner.negated_update(base),
                }
            }

            /// See [`LayerAdapter::negated_products`].
            pub fn negated_products(&self) -> Option<Vec<(Tensor<2>, Tensor<2>)>> {
                match self {
                    $(Factors::$method(inner) => inner.negated_products(),)*
                    Factors::Whole(inner) => inner.negated_products(),
                }
            }

            /// See [`LayerAdapter::penalty`].
            pub fn penalty(&self) -> Option<Tensor<1>> {
                match self {
                    $(Factors::$method(inner) => inner.penalty(),)*
                    Factors::Whole(inner) => inner.penalty(),
                }
            }

            /// See [`LayerAdapter::basis_probe`].
            pub fn basis_probe(&self) -> Option<[f64; 4]> {
                match self {
                    $(Factors::$method(inner) => inner.basis_probe(),)*
                    Factors::Whole(inner) => inner.basis_probe(),
                }
            }

            /// See [`LayerAdapter::rank`].
            pub fn rank(&self) -> LayerRank {
                match self {
                    $(Factors::$method(inner) => inner.rank(),)*
                    Factors::Whole(inner) => inner.rank(),
                }
            }

            /// See [`LayerAdapter::hf_factors`].
            pub fn hf_factors(&self) -> Option<HfFactors> {
                match self {
                    $(Factors::$method(inner) => inner.hf_factors(),)*
                    Factors::Whole(inner) => inner.hf_factors(),
                }
            }

            pub(crate) fn file_key(&self, field: &str) -> String {
                match self {
                    $(Factors::$method(_) => <$adapter>::file_key(field),)*
                    Factors::Whole(_) => WholeFactors::file_key(field),
                }
            }

            pub(crate) fn file_shape(
                &self,
                field: &str,
                weight: &WeightShape,
                dims: &[usize],
            ) -> Vec<usize> {
                match self {
                    $(Factors::$method(_) => <$adapter>::file_shape(field, weight, dims),)*
                    Factors::Whole(_) => WholeFactors::file_shape(field, weight, dims),
                }
            }
        }

        impl Module for Factors {
            fn collect_devices(&self, devices: Devices) -> Devices {
                match self {
                    $(Factors::$method(inner) => inner.collect_devices(devices),)*
                    Factors::Whole(inner) => inner.collect_devices(devices),
                }
            }

            fn fork(self, device: &Device) -> Self {
                match self {
                    $(Factors::$method(inner) => Factors::$method(inner.fork(device)),)*
                    Factors::Whole(inner) => Factors::Whole(inner.fork(device)),
                }
            }

            fn to_device(self, device: &Device) -> Self {
                match self {
                    $(Factors::$method(inner) => Factors::$method(inner.to_device(device)),)*
                    Factors::Whole(inner) => Factors::Whole(inner.to_device(device)),
                }
            }

            fn train(self) -> Self {
                match self {
                    $(Factors::$method(inner) => Factors::$method(Module::train(inner)),)*
                    Factors::Whole(inner) => Factors::Whole(Module::train(inner)),
                }
            }

            fn valid(&self) -> Self {
                match self {
                    $(Factors::$method(inner) => Factors::$method(inner.valid()),)*
                    Factors::Whole(inner) => Factors::Whole(inner.valid()),
                }
            }

            fn materialize(self) -> Self {
                match self {
                    $(Factors::$method(inner) => Factors::$method(inner.materialize()),)*
                    Factors::Whole(inner) => Factors::Whole(inner.materialize()),
                }
            }

            fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
                match self {
                    $(Factors::$method(inner) => inner.visit(visitor),)*
                    Factors::Whole(inner) => inner.visit(visitor),
                }
            }

            fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
                match self {
                    $(Factors::$method(inner) => Factors::$method(inner.map(mapper)),)*
                    Factors::Whole(inner) => Factors::Whole(inner.map(mapper)),
                }
            }
        }
    };
}
