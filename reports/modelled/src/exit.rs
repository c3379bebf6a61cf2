//! When every channel closes at once: whether all answers find room within the challenge window,
//! and how many channels are safe. A formula with its assumptions, nothing measured.

use serde::Serialize;

use duet_profile::Profile;
use duet_terminal::human;

use crate::cost::Unpriced;
use crate::exact::Exact;
use crate::share::Share;

/// The formula, in the names of [`MassExit`]'s fields.
pub const FORMULA: &str = "largest_safe_channels = floor(window_blocks x block_units_for_exits / \
     units_in_window); blocks_needed = ceil(channels x units_in_window / block_units_for_exits)";

/// All channels of a chain close at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MassExit {
    /// The profile's name.
    pub profile: String,
    /// The profile's unit.
    pub unit: String,
    /// Always true: no figure here is measured.
    pub modelled: bool,
    /// Channels that close.
    pub channels: u64,
    /// The share of blocks that exits may use.
    pub exit_share: Share,
    /// Blocks in which a post can be answered.
    pub window_blocks: u64,
    /// Units that each channel needs within the window: a post and an answer.
    pub units_in_window: u64,
    /// Units of each block that exits can use.
    pub block_units_for_exits: Exact,
    /// What bounds those: `block`, or `account` where all channels write one account.
    pub bound_by: &'static str,
    /// Blocks that the posts and answers of all channels take.
    pub blocks_needed: Exact,
    /// The time these blocks take, in seconds.
    pub blocks_needed_s: Exact,
    /// Blocks until everything, payouts too, has found room.
    pub blocks_to_the_end: Exact,
    /// Whether `blocks_needed` are no more than the window.
    pub within_window: bool,
    /// The most channels for which they are.
    pub largest_safe_channels: Exact,
    /// How it is computed.
    pub formula: &'static str,
    /// What that takes for granted.
    pub assumptions: Vec<String>,
}

/// What becomes of `channels` that all close at once.
///
/// # Errors
///
/// The profile lacks the price of a post, an answer or a payout, or the window.
pub fn mass_exit(
    profile: &Profile,
    channels: u64,
    exit_share: Share,
    window_blocks: Option<u64>,
) -> Result<MassExit, Unpriced> {
    let lacks = |field: &str| format!("{} has no `{field}`: no mass exit", profile.name);
    let post = profile.post.ok_or_else(|| lacks("close.post"))?;
    let answer = profile.answer.ok_or_else(|| lacks("close.answer"))?;
    let payout = profile
        .payout_after_answer
        .or(profile.payout)
        .ok_or_else(|| lacks("close.payout"))?;
    let window_blocks = window_blocks
        .or(profile.block.challenge_window_blocks)
        .ok_or_else(|| lacks("block.challenge_window_blocks"))?;

    let of_block = Exact::from(profile.block.units) * exit_share.exact();
    let of_account = profile
        .block
        .account_units
        .filter(|_| profile.shared_escrow)
        .map(Exact::from);
    let (block_units_for_exits, bound_by) = match of_account {
        Some(of_account) if of_account < of_block => (of_account, "account"),
        _ => (of_block, "block"),
    };
    let units_in_window = post.units + answer.units;
    let blocks = |units: u64| {
        (Exact::from(channels) * Exact::from(units) / block_units_for_exits.clone()).ceil()
    };
    let blocks_needed = blocks(units_in_window);
    let largest_safe_channels = (Exact::from(window_blocks) * block_units_for_exits.clone()
        / Exact::from(units_in_window))
    .floor();
    Ok(MassExit {
        profile: profile.name.clone(),
        unit: profile.unit.clone(),
        modelled: true,
        channels,
        exit_share,
        window_blocks,
        units_in_window,
        within_window: blocks_needed <= Exact::from(window_blocks),
        blocks_needed_s: crate::seconds(profile, &blocks_needed),
        blocks_to_the_end: blocks(units_in_window + payout.units),
        blocks_needed,
        block_units_for_exits,
        bound_by,
        largest_safe_channels,
        formula: FORMULA,
        assumptions: assumptions(profile, exit_share, window_blocks),
    })
}

fn assumptions(profile: &Profile, exit_share: Share, window_blocks: u64) -> Vec<String> {
    let mut assumptions = vec![
        "every channel is closed by a post, every post is answered".to_owned(),
        format!(
            "posts and answers together get {} of each block, for {} blocks from the first post",
            exit_share.percent(),
            human::grouped(window_blocks),
        ),
        "the last answer is due as early as the first: sufficient, and at most twice too \
         careful"
            .to_owned(),
        "transactions fill blocks without a gap, and none is censored".to_owned(),
    ];
    if profile.shared_escrow && profile.block.account_units.is_some() {
        assumptions.push("every one of them writes the shared escrow account".to_owned());
    }
    assumptions
}
