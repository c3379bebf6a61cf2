//! How a machine falls out of a run. Nothing else is known of it.

/// Why a machine is no longer counted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fall {
    pub(crate) machine: usize,
    pub(crate) why: Why,
    pub(crate) told_by: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Gone(String),
    /// It has said that it leaves before the end.
    Left,
    Silent,
    Garbled(String),
}
