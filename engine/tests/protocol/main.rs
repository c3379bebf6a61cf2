//! The channel's rules under test: honest pairs, broken links, and every kind of dishonest peer.

//mod batches;
mod breaks;
mod byzantine;
mod duo;
//mod flips;
//mod fuzz;
mod honest;
mod script;
