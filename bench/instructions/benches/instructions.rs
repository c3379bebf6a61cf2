//! Instruction counts of the kernels in `src/`: one run each under Callgrind, setting and clean-up
//! not counted. `bench instructions BASE HEAD` compares two revisions.

#![allow(
    missing_docs,
    unused_qualifications,
    clippy::semicolon_if_nothing_returned,
    reason = "gungraun's macros write so"
)]

use std::hint::black_box;

use duet_instructions::{
    Chains, CoSigning, Completing, Proposing, Receiving, Signing, SigningInLanes, Transfers,
    Verifying,
};
use gungraun::{library_benchmark, library_benchmark_group, main};

/// One kernel: its setting is made before the count begins, and what it gives is dropped after.
macro_rules! kernels {
    ($($name:ident: $kernel:ty),+ $(,)?) => {
        $(
            #[library_benchmark(setup = <$kernel>::default)]
            #[bench::kernel()]
            fn $name(kernel: $kernel) -> impl Sized {
                black_box(black_box(kernel).run())
            }
        )+
        library_benchmark_group!(
            name = kernels;
            benchmarks = $($name),+
        );
    };
}

kernels! {
    sign: Signing,
    verify: Verifying,
    sign_in_lanes: SigningInLanes,
    hash_entries: Chains,
    propose: Proposing,
    receive: Receiving,
    co_sign: CoSigning,
    complete: Completing,
    layer_1_transfers: Transfers,
}

main!(library_benchmark_groups = kernels);
