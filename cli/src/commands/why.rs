//! `flowctl why`: what decided on a flow, and what would change it.

use flowd_proto::flowd::v1::flowd_client::FlowdClient;

use super::{channel, print, print_json, unary};
use crate::args::{ServerArgs, WhyArgs, WhyOutput};
use crate::client::MAX_ANSWER;
use crate::failure::Failure;
use crate::print::{Paint, why};

pub(super) async fn run(server: &ServerArgs, args: &WhyArgs) -> Result<(), Failure> {
    let request = args.request().map_err(Failure::Usage)?;
    let channel = channel(server).await?;
    let mut client = FlowdClient::new(channel).max_decoding_message_size(MAX_ANSWER);
    let answer = client.why(unary(server, request)).await?.into_inner();
    match args.output {
        WhyOutput::Json => print_json(&answer),
        WhyOutput::Compact => {
            let paint = Paint::stdout(clap::ColorChoice::Auto);
            print(why::answer(&answer, paint)?.as_bytes())
        }
    }
}
