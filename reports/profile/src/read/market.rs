//! From a file's `order` and `fees` to a [`Market`]: which fees each order has.

use super::super::shape::{RawConstant, RawProfile};
use super::super::{By, Market, Order};
use super::{Constants, Wrong, given};

impl Constants {
    /// None if the file has neither.
    pub(super) fn market(&mut self, raw: &RawProfile) -> Result<Option<Market>, Wrong> {
        let (order, fees) = match (&raw.order, &raw.fees) {
            (Some(order), Some(fees)) => (order, fees),
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(Wrong("order".into(), alone("fees"))),
            (None, Some(_)) => return Err(Wrong("fees".into(), alone("order"))),
        };
        given("order.by", (&order.by.source, &order.by.assumption))?;
        let (answers, money) = (&order.answers, &fees.money);
        given("order.answers", (&answers.source, &answers.assumption))?;
        given("fees.money", (&money.source, &money.assumption))?;
        if money.value.trim().is_empty() {
            let what = " is empty: expected what one unit of money stands for";
            return Err(Wrong("fees.money".into(), what.into()));
        }
        let by = order.by.value;
        let bids = by != By::Arrival;
        let fixed = self.fee("fixed", &fees.fixed, by, !bids)?;
        let usual = self.fee("per_million_units", &fees.per_million_units, by, bids)?;
        let above_base = by == By::BaseFee;
        let (tip, least) = ("tip_per_million_units", "least_per_million_units");
        let tip_rate = self.fee(tip, &fees.tip_per_million_units, by, above_base)?;
        at_most_the_bid(tip, tip_rate, usual)?;
        let least_rate = self.fee(least, &fees.least_per_million_units, by, above_base)?;
        at_most_the_bid(least, least_rate, usual)?;
        let order = match by {
            By::Arrival => Order::Arrival { fee: fixed },
            By::Fee => Order::Fee {
                per_million_units: usual,
            },
            By::BaseFee => Order::BaseFee {
                per_million_units: usual,
                tip_per_million_units: tip_rate,
                least_per_million_units: least_rate,
            },
        };
        Ok(Some(Market {
            order,
            answers: answers.value,
            money: money.value.clone(),
        }))
    }

    /// A fee that the order has, or has not: then it is 0.
    fn fee<const LEAST: u64>(
        &mut self,
        name: &str,
        raw: &Option<RawConstant<LEAST>>,
        by: By,
        has: bool,
    ) -> Result<u64, Wrong> {
        let order = match by {
            By::Arrival => "arrival",
            By::Fee => "fee",
            By::BaseFee => "base-fee",
        };
        match (raw, has) {
            (Some(raw), true) => self.number(&format!("fees.{name}"), raw),
            (None, false) => Ok(0),
            (None, true) => {
                let what = format!(": missing field `{name}`, which order by {order} needs");
                Err(Wrong("fees".into(), what))
            }
            (Some(_), false) => {
                let what = format!(": expected no such fee where order is by {order}");
                Err(Wrong(format!("fees.{name}"), what))
            }
        }
    }
}

fn alone(other: &str) -> String {
    format!(": expected `{other}` beside it")
}

fn at_most_the_bid(name: &str, rate: u64, bid: u64) -> Result<(), Wrong> {
    match rate <= bid {
        true => Ok(()),
        false => {
            let what = format!(" is {rate}: expected at most `per_million_units`, {bid}");
            Err(Wrong(format!("fees.{name}"), what))
        }
    }
}
