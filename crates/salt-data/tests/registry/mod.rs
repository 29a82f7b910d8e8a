//! Published sets, rebuilt as tiny archives with the documented layout, names and encodings, and prepared.

mod encodings;
mod made;
mod other_sets;
mod paper_sets;
mod polygons_and_volumes;

mod refusals;
mod shared_sets;
