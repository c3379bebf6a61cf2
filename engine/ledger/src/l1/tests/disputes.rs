//! Posts, windows, offers, punishment and payout (rules L3 to L6), a line per scenario. The
//! language is [`scenario`]'s; what refused transactions say exactly is in `refusals`.

use super::scenario::check;

#[test]
fn one_post_settles_after_the_window() {
    check("open 60/40 · A posts v0 · h+4: A pays out → A 60, B 40 at v0");
    check("open 60/40 · A posts v2 (45/55) · h+4: B pays out → A 45, B 55 at v2");
    check("open 60/40 · B posts v2 (45/55) · h+4: C pays out → A 45, B 55 at v2");
    check("open 60/40 · A posts v1 (0/100) · h+9: B pays out → A 0, B 100 at v1");
    check("open 60/40 · A posts v1 (100/0) · h+4: B pays out → A 100, B 0 at v1");
}

#[test]
fn an_older_post_than_another_one_forfeits_all() {
    check(
        "open 60/40 · A posts v0 · B shows v1 (45/55) · h+4: C pays out → A 0, B 100 at v1, A forfeits",
    );
    check(
        "open 60/40 · B posts v0 · A shows v1 (75/25) · h+4: A pays out → A 100, B 0 at v1, B forfeits",
    );
    // Whatever the later state would have given it.
    check(
        "open 60/40 · A posts v1 (45/55) · B shows v2 (90/10) · h+4: C pays out → A 0, B 100 at v2, A forfeits",
    );
    check(
        "open 60/40 · A posts v1 (45/55) · B shows v2 (0/100) · h+4: C pays out → A 0, B 100 at v2, A forfeits",
    );
    // Whoever shows it: another account's post is evidence, and never stale itself.
    check(
        "open 60/40 · A posts v0 · C shows v1 (45/55) · h+4: C pays out → A 0, B 100 at v1, A forfeits",
    );
    check(
        "open 60/40 · A posts v0 · C shows v1 (45/55) · B shows v2 (50/50) · h+4: C pays out → A 0, B 100 at v2, A forfeits",
    );
    check(
        "open 60/40 · A posts v0 · C shows v1 (45/55) · C shows v2 (50/50) · h+4: C pays out → A 0, B 100 at v2, A forfeits",
    );
    // The party itself too.
    check(
        "open 60/40 · A posts v0 · A shows v1 (45/55) · h+4: C pays out → A 0, B 100 at v1, A forfeits",
    );
    check(
        "open 60/40 · A posts v0 · C shows v1 (45/55) · A shows v2 (50/50) · h+4: C pays out → A 0, B 100 at v2, A forfeits",
    );
}

#[test]
fn if_both_are_stale_neither_forfeits() {
    check(
        "open 60/40 · A posts v0 · B shows v1 (45/55) · A shows v2 (50/50) · h+4: C pays out → A 50, B 50 at v2",
    );
    check(
        "open 60/40 · A posts v0 · B shows v1 (45/55) · C shows v2 (50/50) · h+4: C pays out → A 50, B 50 at v2",
    );
    check(
        "open 60/40 · A posts v0 · B shows v1 (45/55) · B shows v2 (50/50) · h+4: C pays out → A 50, B 50 at v2",
    );
    // What settles is still the offer of the highest post.
    check(
        "open 60/40 · A posts v0 · B shows v1 (45/55) · A shows v2 (50/50) offering v3 (5/95) · h+4: C pays out → A 5, B 95 at v3",
    );
}

#[test]
fn an_offer_binds_as_long_as_it_covers_what_is_shown() {
    check(
        "open 60/40 · A posts v1 (45/55) offering v2 (30/70) · h+4: C pays out → A 30, B 70 at v2",
    );
    check("open 60/40 · A posts v0 offering v1 (45/55) · h+4: C pays out → A 45, B 55 at v1");
    check("open 60/40 · A posts v0 offering v7 (60/40) · h+4: C pays out → A 60, B 40 at v7");
    check("open 60/40 · A posts v0 offering v7 (0/100) · h+4: C pays out → A 0, B 100 at v7");
    // As an answer, which itself proves the first post stale.
    check(
        "open 60/40 · A posts v0 · B shows v1 (45/55) offering v2 (50/50) · h+4: C pays out → A 0, B 100 at v2, A forfeits",
    );
    // An offer is no state that both signed: an answer has to beat what was shown, not it. It binds
    // all the same.
    check(
        "open 60/40 · A posts v1 (45/55) offering v5 (30/70) · B shows v2 (35/65) · h+4: C pays out → A 30, B 70 at v5",
    );
    // A stale poster's binds too, and then all of it is forfeited.
    check(
        "open 60/40 · A posts v0 · C shows v1 (45/55) · A shows v2 (40/60) offering v3 (5/95) · h+4: C pays out → A 0, B 100 at v3, A forfeits",
    );
    // Nobody else's post lifts it: else an old state, shown from a third account, could be settled
    // behind an offer that covers everything, and nobody be punished for it.
    check(
        "open 60/40 · A posts v1 (45/55) offering v5 (0/100) · C shows v2 (40/60) · h+4: C pays out → A 0, B 100 at v5",
    );
    // Of two that cover what is shown, the higher one binds.
    check(
        "open 60/40 · A posts v1 (45/55) offering v5 (20/80) · B shows v2 (40/60) offering v9 (50/50) · h+4: C pays out → A 50, B 50 at v9",
    );
    check(
        "open 60/40 · A posts v1 (45/55) offering v9 (20/80) · B shows v2 (40/60) offering v5 (50/50) · h+4: C pays out → A 20, B 80 at v9",
    );
    check(
        "open 60/40 · A posts v1 (45/55) offering v9 (20/80) · B shows v2 (40/60) offering v5 (50/50) · C shows v3 (20/80) · h+4: C pays out → A 20, B 80 at v9",
    );
}

#[test]
fn an_offer_covers_by_version_and_by_amount() {
    // The same state as the one withheld.
    check(
        "open 60/40 · A posts v1 (45/55) offering v2 (30/70) · B shows v2 (30/70) · h+4: C pays out → A 30, B 70 at v2",
    );
    check(
        "open 60/40 · A posts v0 offering v1 (45/55) · B shows v1 (45/55) · h+4: C pays out → A 45, B 55 at v1",
    );
    // Further on, with less.
    check(
        "open 60/40 · A posts v1 (45/55) offering v3 (20/80) · B shows v2 (30/70) · h+4: C pays out → A 20, B 80 at v3",
    );
    check(
        "open 60/40 · A posts v1 (45/55) offering v3 (20/80) · B shows v2 (30/70) · B shows v3 (20/80) · h+4: C pays out → A 100, B 0 at v3, B forfeits",
    );
    check(
        "open 60/40 · A posts v1 (45/55) offering v3 (20/80) · C shows v2 (30/70) · B shows v3 (20/80) · h+4: C pays out → A 20, B 80 at v3",
    );
    // One version short.
    check(
        "open 60/40 · A posts v1 (45/55) offering v2 (30/70) · B shows v3 (30/70) · h+4: C pays out → A 0, B 100 at v3, A forfeits",
    );
    check(
        "open 60/40 · A posts v1 (45/55) offering v2 (30/70) · B shows v2 (30/70) · C shows v3 (30/70) · h+4: C pays out → A 30, B 70 at v3",
    );
    // One unit short.
    check(
        "open 60/40 · A posts v1 (45/55) offering v2 (30/70) · B shows v2 (29/71) · h+4: C pays out → A 0, B 100 at v2, A forfeits",
    );
    check(
        "open 60/40 · A posts v1 (45/55) offering v9 (30/70) · B shows v2 (29/71) · h+4: C pays out → A 0, B 100 at v2, A forfeits",
    );
    // A made-up offer covers nothing that it does not give away.
    check(
        "open 60/40 · A posts v1 (60/40) offering v18446744073709551615 (60/40) · B shows v2 (45/55) · h+4: C pays out → A 0, B 100 at v2, A forfeits",
    );
    check(
        "open 60/40 · A posts v1 (60/40) offering v18446744073709551615 (0/100) · B shows v2 (45/55) · h+4: C pays out → A 0, B 100 at v18446744073709551615",
    );
}

#[test]
fn all_offers_of_a_party_must_cover() {
    // All of them do.
    check(
        "open 60/40 · A posts v1 (60/40) offering v9 (10/90) · A shows v2 (50/50) offering v8 (10/90) · B shows v7 (10/90) · h+4: C pays out → A 10, B 90 at v8",
    );
    // The first one does not, by version.
    check(
        "open 60/40 · A posts v1 (60/40) offering v3 (40/60) · A shows v2 (50/50) offering v9 (40/60) · B shows v4 (40/60) · h+4: C pays out → A 0, B 100 at v4, A forfeits",
    );
    // The first one does not, by amount, though the second one is the lower.
    check(
        "open 60/40 · A posts v1 (60/40) offering v9 (40/60) · A shows v2 (50/50) offering v5 (10/90) · B shows v4 (30/70) · h+4: C pays out → A 0, B 100 at v4, A forfeits",
    );
    // The second one does not, by amount.
    check(
        "open 60/40 · A posts v1 (60/40) offering v9 (10/90) · A shows v2 (50/50) offering v9 (40/60) · B shows v4 (30/70) · h+4: C pays out → A 0, B 100 at v4, A forfeits",
    );
    // The second one carries none.
    check(
        "open 60/40 · A posts v1 (60/40) offering v9 (10/90) · A shows v2 (50/50) · B shows v4 (30/70) · h+4: C pays out → A 0, B 100 at v4, A forfeits",
    );
    check(
        "open 60/40 · A posts v1 (60/40) offering v9 (10/90) · A shows v2 (50/50) · h+4: C pays out → A 50, B 50 at v2",
    );
    // Its own later state is judged by the same rule.
    check(
        "open 60/40 · A posts v0 offering v1 (45/55) · A shows v1 (45/55) · h+4: C pays out → A 45, B 55 at v1",
    );
    check(
        "open 60/40 · A posts v0 offering v1 (45/55) · A shows v1 (44/56) · h+4: C pays out → A 0, B 100 at v1, A forfeits",
    );
    // Both parties', each by its own balance.
    check(
        "open 60/40 · A posts v1 (60/40) offering v4 (40/60) · B shows v2 (50/50) offering v5 (80/20) · C shows v3 (40/60) · h+4: C pays out → A 80, B 20 at v5",
    );
    check(
        "open 60/40 · A posts v1 (60/40) offering v4 (40/60) · B shows v2 (50/50) offering v4 (80/20) · C shows v3 (39/61) · h+4: C pays out → A 0, B 100 at v4, A forfeits",
    );
    check(
        "open 60/40 · A posts v1 (60/40) offering v4 (40/60) · B shows v2 (50/50) offering v4 (80/20) · C shows v3 (81/19) · h+4: C pays out → A 100, B 0 at v4, B forfeits",
    );
    check(
        "open 60/40 · A posts v1 (60/40) offering v4 (40/60) · B shows v2 (50/50) offering v4 (80/20) · C shows v5 (60/40) · h+4: C pays out → A 60, B 40 at v5",
    );
}

#[test]
fn offers_that_are_none() {
    check(
        "open 60/40 · A posts v0 · C shows v1 (45/55) offering v2 (40/60) ✗ offer_by_stranger · h+4: C pays out → A 60, B 40 at v0",
    );
    check("open 60/40 · C posts v1 (45/55) offering v2 (40/60) ✗ offer_by_stranger → locked");
    check("open 60/40 · A posts v1 (45/55) offering v2 (46/54) ✗ offer_raises_poster → locked");
    check("open 60/40 · A posts v0 offering v1 (61/39) ✗ offer_raises_poster → locked");
    check("open 60/40 · A posts v2 (45/55) offering v2 (30/70) ✗ offer_not_higher → locked");
    check("open 60/40 · A posts v2 (45/55) offering v1 (30/70) ✗ offer_not_higher → locked");
    check(
        "open 60/40 · A posts v0 · B shows v1 (45/55) offering v2 (40/60) ✗ offer_raises_poster · h+4: C pays out → A 60, B 40 at v0",
    );
    // Not even of a version beyond which there is none.
    check(
        "open 60/40 · A posts v18446744073709551615 (45/55) offering v18446744073709551615 (30/70) ✗ offer_not_higher → locked",
    );
}

#[test]
fn windows() {
    // Answers from h+1 …
    check(
        "open 60/40 · A posts v0 · & B shows v1 (45/55) ✗ window_not_open · h+4: C pays out → A 60, B 40 at v0",
    );
    check(
        "open 60/40 · A posts v0 · & B shows v1 (45/55) ✗ window_not_open · h+1: B shows v1 (45/55) · h+4: C pays out → A 0, B 100 at v1, A forfeits",
    );
    check(
        "open 60/40 · A posts v0 · & A shows v1 (45/55) ✗ window_not_open · h+4: C pays out → A 60, B 40 at v0",
    );
    // … to h+W, which no answer moves …
    check(
        "open 60/40 · A posts v0 · h+3: B shows v1 (45/55) · h+4: C pays out → A 0, B 100 at v1, A forfeits",
    );
    check(
        "open 60/40 · A posts v0 · h+3: B shows v1 (45/55) · & A shows v2 (50/50) · h+4: C pays out → A 50, B 50 at v2",
    );
    check(
        "open 60/40 · A posts v0 · h+3: B shows v1 (45/55) · h+4: A shows v2 (50/50) ✗ window_closed · & C pays out → A 0, B 100 at v1, A forfeits",
    );
    check(
        "open 60/40 · A posts v0 · h+4: B shows v1 (45/55) ✗ window_closed · C pays out → A 60, B 40 at v0",
    );
    check(
        "open 60/40 · A posts v0 · h+99: B shows v1 (45/55) ✗ window_closed · & C pays out → A 60, B 40 at v0",
    );
    // … and the payout after it.
    check(
        "open 60/40 · A posts v0 · & A pays out ✗ window_still_open · h+1: A pays out ✗ window_still_open · h+3: C pays out ✗ window_still_open · h+4: C pays out → A 60, B 40 at v0",
    );
    // The smallest window.
    check("open 60/40 window 1 · A posts v0 · h+1: A pays out ✗ window_still_open → locked");
    check("open 60/40 window 1 · A posts v0 · h+2: A pays out → A 60, B 40 at v0");
    check(
        "open 60/40 window 1 · A posts v0 · h+1: B shows v1 (45/55) · h+2: A pays out → A 0, B 100 at v1, A forfeits",
    );
    check(
        "open 60/40 window 1 · A posts v0 · h+2: B shows v1 (45/55) ✗ window_closed · & A pays out → A 60, B 40 at v0",
    );
    // The largest.
    check(
        "open 60/40 window 4294967295 · A posts v0 · h+9: B shows v1 (45/55) · h+20: A pays out ✗ window_still_open → locked",
    );
}

#[test]
fn who_posts_what() {
    check("open 60/40 · C posts v1 (45/55) ✗ nothing_to_answer → locked");
    check("open 60/40 · C posts v0 ✗ nothing_to_answer → locked");
    check(
        "open 60/40 · C posts v1 (45/55) ✗ nothing_to_answer · & A posts v0 · C shows v1 (45/55) · h+4: C pays out → A 0, B 100 at v1, A forfeits",
    );
    // Each has to beat the highest one shown, and nothing else.
    check(
        "open 60/40 · A posts v2 (45/55) · B shows v2 (45/55) ✗ post_not_higher · B shows v1 (50/50) ✗ post_not_higher · B shows v0 ✗ post_not_higher · h+4: C pays out → A 45, B 55 at v2",
    );
    check(
        "open 60/40 · A posts v2 (45/55) · A shows v2 (45/55) ✗ post_not_higher · C shows v2 (0/100) ✗ post_not_higher · h+4: C pays out → A 45, B 55 at v2",
    );
    check(
        "open 60/40 · A posts v0 · A posts v0 ✗ post_not_higher · B posts v0 ✗ post_not_higher · h+4: C pays out → A 60, B 40 at v0",
    );
    check(
        "open 60/40 · A posts v1 (60/40) · B shows v3 (50/50) · & C shows v4 (40/60) · & A shows v2 (55/45) ✗ post_not_higher · h+4: C pays out → A 40, B 60 at v4",
    );
    check(
        "open 60/40 · A posts v18446744073709551615 (45/55) · B shows v18446744073709551615 (0/100) ✗ post_not_higher · h+4: C pays out → A 45, B 55 at v18446744073709551615",
    );
    check(
        "open 60/40 · A posts v18446744073709551614 (45/55) · B shows v18446744073709551615 (0/100) · h+4: C pays out → A 0, B 100 at v18446744073709551615, A forfeits",
    );
}

#[test]
fn payouts() {
    check("open 60/40 · C pays out ✗ nothing_posted → locked");
    check("open 60/40 · C pays out ✗ nothing_posted · & A posts v0 → locked");
    check(
        "open 60/40 · A posts v0 · h+4: C pays out · & C pays out ✗ unknown_channel · A pays out ✗ unknown_channel → A 60, B 40 at v0",
    );
    check(
        "open 60/40 · A posts v0 · h+4: C pays out · & B shows v1 (45/55) ✗ unknown_channel · B shows v1 (45/55) ✗ unknown_channel · A posts v0 ✗ unknown_channel · B closes v1 (45/55) ✗ unknown_channel · they roll over v1 (45/55) into 1/0 ✗ unknown_channel → A 60, B 40 at v0",
    );
}

#[test]
fn a_final_state_pays_out_until_payout() {
    // While the window is open, whatever was posted.
    check("open 60/40 · A posts v0 · & B closes v3 (50/50) → A 50, B 50 at v3");
    check("open 60/40 · A posts v0 · B closes v3 (50/50) → A 50, B 50 at v3");
    check("open 60/40 · A posts v2 (10/90) · C closes v1 (50/50) → A 50, B 50 at v1");
    check("open 60/40 · A posts v2 (10/90) · C closes v0 → A 60, B 40 at v0");
    check(
        "open 60/40 · A posts v0 · B shows v1 (45/55) · h+3: A closes v1 (45/55) → A 45, B 55 at v1",
    );
    check("open 60/40 · A posts v0 · they roll over v3 (50/50) into 20/90 → A 50, B 50 at v3");
    check(
        "open 60/40 · A posts v0 · B shows v1 (45/55) · they roll over v0 into 60/40 → A 60, B 40 at v0",
    );
    // After it.
    check("open 60/40 · A posts v0 · h+4: B closes v3 (50/50) → A 50, B 50 at v3");
    check(
        "open 60/40 · A posts v0 · B shows v1 (45/55) · h+9: they roll over v3 (50/50) into 20/30 → A 50, B 50 at v3",
    );
    // And no longer.
    check(
        "open 60/40 · A posts v0 · h+4: C pays out · & B closes v3 (50/50) ✗ unknown_channel → A 60, B 40 at v0",
    );
    check(
        "open 60/40 · A posts v0 · h+4: B closes v3 (50/50) · & C pays out ✗ unknown_channel → A 50, B 50 at v3",
    );
    check(
        "open 60/40 · they roll over v3 (50/50) into 20/30 · A posts v0 ✗ unknown_channel → A 50, B 50 at v3",
    );
}

#[test]
fn deposits_of_one_side_and_the_widest_numbers() {
    check("open 100/0 · B posts v0 · h+4: C pays out → A 100, B 0 at v0");
    check("open 100/0 · A posts v1 (99/1) · h+4: C pays out → A 99, B 1 at v1");
    check("open 1/0 · B posts v1 (0/1) · h+4: C pays out → A 0, B 1 at v1");
    // Who has nothing forfeits nothing.
    check(
        "open 100/0 · B posts v0 · A shows v1 (99/1) · h+4: C pays out → A 100, B 0 at v1, B forfeits",
    );
    check(
        "open 100/0 · A posts v0 · B shows v1 (0/100) · h+4: C pays out → A 0, B 100 at v1, A forfeits",
    );
    check(
        "open 18446744073709551615/0 · A posts v0 · B shows v1 (0/18446744073709551615) · h+4: C pays out → A 0, B 18446744073709551615 at v1, A forfeits",
    );
    check(
        "open 18446744073709551614/1 · A posts v1 (1/18446744073709551614) offering v2 (0/18446744073709551615) · B shows v2 (0/18446744073709551615) · h+4: C pays out → A 0, B 18446744073709551615 at v2",
    );
    check(
        "open 18446744073709551614/1 · B posts v1 (0/18446744073709551615) · A shows v18446744073709551615 (18446744073709551615/0) · h+4: C pays out → A 18446744073709551615, B 0 at v18446744073709551615, B forfeits",
    );
    check(
        "open 18446744073709551614/1 · A posts v0 · they roll over v7 (3/18446744073709551612) into 1/2 → A 3, B 18446744073709551612 at v7",
    );
}
