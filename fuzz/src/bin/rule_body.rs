//! Bodies of requests that change rules: no bytes make the reader panic, every refusal is a problem of the
//! client, and a rule that was understood is understood again as it is told.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netweir_flow::rule::{Numbered, Rule};
use netweir_web::{Problem, read_rule, read_rules, view};

fuzz_target!(|body: &[u8]| {
    check(read_rule(body).map(|rule| vec![rule]));
    check(read_rules(body));
});

fn check(read: Result<Vec<Rule>, Problem>) {
    let rules = match read {
        Ok(rules) => rules,
        Err(problem) => {
            assert_eq!(problem.status, 400);
            return;
        }
    };
    let tell = |rule: &Rule| {
        let rule = rule.clone();
        view::Rule::new(&Numbered { number: 1, rule }, 1)
    };
    let listed = |rule: &Rule| view::ListedRule {
        rule: tell(rule),
        hits: None,
    };
    let told = view::Rules {
        rules: rules.iter().map(listed).collect(),
    };
    let body = serde_json::to_vec(&told).expect("a rule has a JSON form");
    assert_eq!(read_rules(&body), Ok(rules));
}
