//! A request for flows: as JSON, such as exporters and `--allowlist` take it, or as protobuf, such
//! as clients send it.

use flowd::observe::FilterSet;
use flowd::observe::query::Plan;
use flowd_proto::observer::GetFlowsRequest;
use prost::Message as _;

use crate::world::{CONTEXT, RECORDS};

/// A `GetFlowsRequest` in either form.
pub(crate) fn run(data: &[u8]) {
    let request = match data.first() {
        Some(b'{') => serde_json::from_slice(data).ok(),
        Some(_) | None => GetFlowsRequest::decode(data).ok(),
    };
    let Some(request) = request else { return };
    // Its own bounds and messages; and what it compiles to.
    if let Err(error) = Plan::compile(&request, &CONTEXT) {
        assert!(error.to_string().len() < 16_384, "an error without end");
    }
    let Ok(both) = FilterSet::compile(&request.whitelist, &request.blacklist, &CONTEXT) else {
        return;
    };
    let alone = |list: &[_], other: &[_]| {
        FilterSet::compile(list, other, &CONTEXT).expect("either half of what compiles does, too")
    };
    let wanted = alone(&request.whitelist, &[]);
    let unwanted = alone(&request.blacklist, &[]);
    for record in RECORDS.iter() {
        let kept_back = !request.blacklist.is_empty() && unwanted.pass(record);
        let expected = wanted.pass(record) && !kept_back;
        assert_eq!(both.pass(record), expected, "allowed and not denied");
    }
}
