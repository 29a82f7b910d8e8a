//! What follows from the list of methods: the method table and the type that holds any factors.

/// Derives `METHODS` and `Adapter` from the list in `registry.rs`.
macro_rules! registry {
    ($($module:ident :: $method:ident $(=> $adapter:ident)?),* $(,)?) => {
        /// The registered methods, in the order of the list.
        static METHODS: &[&dyn Method] = &[$(&$module::$method),*];

        registry! { @adapters [] $($module $method $(=> $adapter)?,)* }
    };
    // A method with factors is kept, one without is dropped.
    (@adapters [$($kept:tt)*] $module:ident $method:ident => $adapter:ident, $($rest:tt)*) => {
        registry! { @adapters [$($kept)* $module $method $adapter,] $($rest)* }
    };
    (@adapters [$($kept:tt)*] $module:ident $method:ident, $($rest:tt)*) => {
        registry! { @adapters [$($kept)*] $($rest)* }
    };
    (@adapters [$($module:ident $method:ident $adapter:ident,)*]) => {
        /// The factors attached to one weight, whichever method made them.
        ///
        /// Burn allows one type name per reparameterized parameter and no nesting, so all methods
        /// share this one. It adds no segment of its own to the factors' paths, which read
        /// `<weight>.adapter.<factor>`.
        #[derive(Clone, Debug)]
        #[expect(
            clippy::large_enum_variant,
            reason = "one per adapted weight, and Burn boxes it: the bytes are few and on the heap"
        )]
        pub enum Adapter {
            $(#[doc = concat!("See [`", stringify!($adapter), "`].")] $method($adapter),)*
        }

        impl Adapter {
            /// The registered method that made the factors.
            pub fn method(&self) -> MethodId {
                match self { $(Adapter::$method(_) => MethodId(&$module::$method),)* }
            }

            /// See [`LayerAdapter::negated_update`].
            pub fn negated_update(&self, base: Tensor<2>) -> Tensor<2> {
                match self { $(Adapter::$method(inner) => inner.negated_update(base),)* }
            }

            /// See [`LayerAdapter::penalty`].
            pub fn penalty(&self) -> Option<Tensor<1>> {
                match self { $(Adapter::$method(inner) => inner.penalty(),)* }
            }

            /// See [`LayerAdapter::basis_probe`].
            pub fn basis_probe(&self) -> Option<[f64; 4]> {
                match self { $(Adapter::$method(inner) => inner.basis_probe(),)* }
            }

            /// See [`LayerAdapter::rank`].
            pub fn rank(&self) -> usize {
                match self { $(Adapter::$method(inner) => inner.rank(),)* }
            }

            pub(crate) fn file_key(&self, field: &str) -> String {
                match self { $(Adapter::$method(_) => $adapter::file_key(field),)* }
            }

            pub(crate) fn file_shape(
                &self,
                field: &str,
                weight: &WeightShape,
                dims: &[usize],
            ) -> Vec<usize> {
                match self { $(Adapter::$method(_) => $adapter::file_shape(field, weight, dims),)* }
            }
        }

        impl Module for Adapter {
            fn collect_devices(&self, devices: Devices) -> Devices {
                match self { $(Adapter::$method(inner) => inner.collect_devices(devices),)* }
            }

            fn fork(self, device: &Device) -> Self {
                match self { $(Adapter::$method(inner) => Adapter::$method(inner.fork(device)),)* }
            }

            fn to_device(self, device: &Device) -> Self {
                match self { $(Adapter::$method(inner) => Adapter::$method(inner.to_device(device)),)* }
            }

            fn train(self) -> Self {
                match self { $(Adapter::$method(inner) => Adapter::$method(Module::train(inner)),)* }
            }

            fn valid(&self) -> Self {
                match self { $(Adapter::$method(inner) => Adapter::$method(inner.valid()),)* }
            }

            fn materialize(self) -> Self {
                match self { $(Adapter::$method(inner) => Adapter::$method(inner.materialize()),)* }
            }

            fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
                inspect::offer(self);
                match self { $(Adapter::$method(inner) => inner.visit(visitor),)* }
            }

            fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
                match self { $(Adapter::$method(inner) => Adapter::$method(inner.map(mapper)),)* }
            }
        }
    };
}
