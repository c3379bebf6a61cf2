//! A world in words, for whoever reads the story of a seed.

use duet_engine::l1::Transaction;
use duet_engine::protocol::{Entry, Message};

use super::super::plan::{Plan, Sabotage, Scarcity};

pub(super) fn words(bytes: &[u8]) -> String {
    match Message::decode_first(bytes) {
        Ok((Message::Proposal { payments, pass, .. }, _)) => {
            let mut amounts = Vec::new();
            let read = payments.each(|amount, _| {
                amounts.push(amount.to_string());
                Ok(())
            });
            let broken = read.err().map(|rejection| format!(", {rejection}"));
            let passes = pass.then(|| ", passes".to_owned());
            let after: String = broken.into_iter().chain(passes).collect();
            format!("pays {}{after}", amounts.join(", "))
        }
        Ok((Message::Acknowledgement { version, .. }, _)) => format!("co-signs v{version}"),
        Ok((Message::TurnAsked { turn }, _)) => format!("asks for turn {turn}"),
        Ok((Message::TurnPassed { turn }, _)) => format!("passes turn {turn}"),
        Ok((Message::Final { version, .. }, _)) => format!("final at v{version}"),
        Ok((Message::FinalAcknowledgement { version, .. }, _)) => {
            format!("final too at v{version}")
        }
        Ok((Message::Resume { signed }, _)) => format!("resumes from v{signed}"),
        Err(rejection) => rejection.to_string(),
    }
}

pub(super) fn brief(transaction: &Transaction) -> String {
    match transaction {
        Transaction::Post { post, .. } => {
            let offer = post.offer.as_ref().map(|offer| {
                let entry = Entry::decode(&offer.entry);
                format!(", offers v{} with A {}", entry.version, entry.balance_a)
            });
            let offer = offer.unwrap_or_default();
            format!("post v{}{offer} in {}", post.version(), post.channel.0)
        }
        Transaction::Payout { channel, .. } => format!("payout of {}", channel.0),
        Transaction::CooperativeClose { proof, .. } => format!("close of {}", proof.channel.0),
        Transaction::Transfer { .. } => "transfer".into(),
        _ => "open".into(),
    }
}

/// The sabotage that a plan is for, in the trace of a failing seed.
pub(crate) fn title(plan: &Plan) -> String {
    let Plan {
        seed,
        rogue,
        channels,
        window_blocks,
        delay_blocks,
        down_blocks,
        spam,
        relies_on_tower,
        scarce,
        votes,
        ..
    } = plan;
    let sabotage = match plan.sabotage {
        Sabotage::None => String::new(),
        sabotage => format!(", sabotaged: {sabotage:?}"),
    };
    let parties: Vec<String> = channels
        .iter()
        .map(|channel| format!("{:?} {:?}", channel.parties, channel.deposits))
        .collect();
    let scarce = scarce.map_or(String::new(), |scarce| {
        let Scarcity { order, answers, .. } = scarce;
        format!(
            " by {order:?}, answers {answers:?}, {} units,",
            scarce.units.block
        )
    });
    let votes = votes.map_or(String::new(), |fault| {
        format!(" one of four validators {},", <&str>::from(fault))
    });
    format!(
        "seed {seed}{sabotage}: rogue {rogue:?}, W {window_blocks}, D {delay_blocks}, down {down_blocks}, spam {spam},{scarce}{votes} \
         towers {relies_on_tower:?}, channels {}",
        parties.join(", ")
    )
}
