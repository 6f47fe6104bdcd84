//! The timeline through the API, in both its forms.

use flowd_proto::{
    flow::AgentEvent,
    flowd::v1::{
        GetEventsRequest, TimelineEvent, get_events_response::Response,
        timeline_client::TimelineClient,
    },
    observer::{GetAgentEventsRequest, observer_client::ObserverClient},
};

use super::Api;

impl Api {
    /// Every event there is, oldest first.
    pub(crate) fn timeline(&self) -> Vec<TimelineEvent> {
        let mut client = TimelineClient::new(self.channel.clone());
        self.runtime.block_on(async {
            let stream = client.get_events(GetEventsRequest::default()).await;
            let mut stream = stream.expect("the timeline is served").into_inner();
            let mut events = Vec::new();
            while let Some(answer) = stream.message().await.expect("an event") {
                match answer.response.expect("an answer") {
                    Response::Event(event) => events.push(event),
                    Response::Lost(lost) => panic!("{lost:?}"),
                }
            }
            events
        })
    }

    /// The same as Hubble's clients get it.
    pub(crate) fn agent_events(&self) -> Vec<AgentEvent> {
        let mut client = ObserverClient::new(self.channel.clone());
        self.runtime.block_on(async {
            let stream = client
                .get_agent_events(GetAgentEventsRequest::default())
                .await;
            let mut stream = stream.expect("agent events are served").into_inner();
            let mut events = Vec::new();
            while let Some(answer) = stream.message().await.expect("an event") {
                events.extend(answer.agent_event);
            }
            events
        })
    }
}
