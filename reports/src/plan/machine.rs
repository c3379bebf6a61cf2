//! The back end of the machine that plans, which may not be the one that was measured.

/// The back end that `loadgen run --backend auto` takes here, by its name in run files. The rule is
/// the engine's (`crypto/backend.rs`, `lanes/src/machine`), of which this crate knows no code.
pub(super) fn backend() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512ifma")
        {
            return "lanes/avx512-ifma";
        }
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi2")
        {
            return "lanes/avx2-fma";
        }
    }
    "dalek"
}
