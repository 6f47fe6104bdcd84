//! A field mask: what it leaves of a flow must not depend on who cuts.

use flowd::observe::Mask;
use flowd::observe::wire::Encoder;
use flowd_proto::FlowMask;
use flowd_proto::flow::Flow;
use flowd_proto::observer::get_flows_response::ResponseTypes;

use crate::world::{RECORDS, view};

/// Paths, one a line.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let paths: Vec<String> = text.lines().map(str::to_owned).collect();
    let (server, client) = (Mask::compile(&paths), FlowMask::compile(&paths));
    let (Ok(server), Ok(client)) = (&server, &client) else {
        // Only the server bounds the number of paths.
        assert!(server.is_err(), "the client refuses what the server takes");
        return;
    };
    let mut whole = Encoder::new(view(), Mask::default());
    let mut cut = Encoder::new(view(), server.clone());
    for record in RECORDS.iter() {
        let expected = client.apply(&flow(whole.message(record).response_types));
        let found = flow(cut.message(record).response_types);
        if !paths.is_empty() {
            assert_eq!(found, expected, "server and client cut alike");
        }
    }
}

fn flow(answer: Option<ResponseTypes>) -> Flow {
    match answer {
        Some(ResponseTypes::Flow(flow)) => flow,
        Some(ResponseTypes::NodeStatus(_) | ResponseTypes::LostEvents(_)) | None => Flow::default(),
    }
}
