//! Records of the ring become flows, and flows answers and JSON, whatever the bytes are.

use flowd::flow::decode;
use flowd::observe::Mask;
use flowd::observe::flow::build;
use flowd::observe::mask::Parts;
use flowd::observe::wire::Encoder;
use flowd_proto::observer::GetFlowsResponse;

use crate::world::{EVENT, ingest, view};

/// Any bytes, as records one behind the other.
pub(crate) fn run(data: &[u8]) {
    let good = data
        .chunks(EVENT)
        .filter(|record| decode(record).is_ok())
        .count();
    let records = ingest(data);
    assert_eq!(records.len(), good, "each event is one flow");
    let view = view();
    let mut encoder = Encoder::new(view.clone(), Mask::default());
    for record in &records {
        let flow = build(record, &view, Parts::ALL);
        let answer = encoder.message(record);
        // By its JSON: fields of the extension are appended in another order than they are read.
        let json = serde_json::to_value(&answer).expect("an answer can be written as JSON");
        let read: GetFlowsResponse =
            serde_json::from_value(json.clone()).expect("what was written is read again");
        let again = serde_json::to_value(&read).expect("an answer can be written as JSON");
        assert_eq!(json, again, "JSON says what the message says");
        let flow = serde_json::to_value(&flow).expect("a flow can be written as JSON");
        assert_eq!(json["flow"], flow, "one mapping, built or encoded");
    }
}
