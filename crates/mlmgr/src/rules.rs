//! Which hub addresses the settings allow.

use hub_layout::{UrlPrefix, UrlRules};
use url::Url;

use crate::{
    Error, ErrorKind,
    records::{Decoded, RuleRecord},
    resolve::listed,
};

/// The rules of `ml-model-allow-deny-list`, ready to be asked.
///
/// What no rule allows is denied: a list that is empty, or was never fetched, allows only hubs on this machine.
/// A deny rule that cannot be read denies everything but hubs on this machine, because it is not known what it
/// was meant for.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    rules: UrlRules,
    empty: bool,
    unreadable: Option<String>,
}

impl Rules {
    /// Makes rules of records; with `any_hub`, only the deny rules count.
    pub(crate) fn new(records: &Decoded<RuleRecord>, any_hub: bool) -> Self {
        let mut unreadable: Vec<String> =
            records.malformed.iter().map(|bad| format!("record {}: {}", bad.id, bad.reason)).collect();
        let (mut allow, mut deny) = (Vec::new(), Vec::new());
        for record in &records.records {
            match record.url_prefix.parse::<UrlPrefix>() {
                Ok(prefix) if record.allow => allow.push(prefix),
                Ok(prefix) => deny.push(prefix),
                // An allow rule that cannot be read allows nothing; that needs no help.
                Err(_) if record.allow => {}
                Err(error) => unreadable.push(format!("record {}: {error}", record.id)),
            }
        }
        let rules =
            if any_hub { UrlRules::dangerously_allow_all_but(deny) } else { UrlRules::new(allow, deny) };
        Self {
            empty: records.records.is_empty(),
            rules,
            unreadable: (!unreadable.is_empty()).then(|| listed(&unreadable)),
        }
    }

    /// Refuses an address that the rules do not allow.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`], naming the rule.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Error> {
        let verdict = self.rules.verdict(url);
        let on_this_machine = UrlRules::default().verdict(url).allowed;
        let refused = |why: &str, hint: &str| {
            Err(Error::new(ErrorKind::Denied, format!("{url} is refused: {why}")).with_hint(hint))
        };
        match (&self.unreadable, &verdict.rule) {
            (Some(unreadable), _) if verdict.allowed && !on_this_machine => refused(
                &format!("the allow and deny list cannot be read in full ({unreadable})"),
                "have the record corrected on the settings server, then sync again",
            ),
            _ if verdict.allowed => Ok(()),
            (_, Some(rule)) => refused(
                &format!("the signed deny rule {rule} matches"),
                "choose a model and a hub that the signed allow and deny list allows",
            ),
            _ if self.empty => refused(
                "the signed allow and deny list is empty or was never fetched",
                "fetch the settings: mlmgr sync; an empty list allows hubs on this machine only",
            ),
            _ => refused(
                "no rule of the signed allow and deny list allows it",
                "choose a model and a hub that the signed allow and deny list allows",
            ),
        }
    }
}
