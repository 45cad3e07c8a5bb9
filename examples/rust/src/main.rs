//! Reviews an idea and follows its run to the decision, whatever becomes of the connection.
use std::{env, error::Error, process, time::Duration};

use consensus::v1::{
    review_input::Subject, review_service_client::ReviewServiceClient, run_event::Payload,
    GetServiceInfoRequest, ReviewInput, StartReviewRequest, WatchRunRequest,
};
use tokio::time::{sleep, timeout};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt;

mod consensus {
    pub mod v1 {
        tonic::include_proto!("consensus.v1");
    }
}

/// What outlives a connection.
#[derive(Default)]
struct Review {
    request: StartReviewRequest,
    run_id: String,
    last: u32,         // the sequence of the last event that arrived
    silence: Duration, // a stream that says nothing for so long is dead
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let idea = env::args().nth(1).ok_or("an idea is wanted")?;
    let input = ReviewInput { subject: Some(Subject::Idea(idea)), ..Default::default() };
    // A key of our own makes it safe to send the same request again.
    let idempotency_key = uuid::Uuid::new_v4().to_string();
    let request = StartReviewRequest { review: Some(input), idempotency_key };
    let mut review = Review { request, ..Default::default() };
    let endpoint = endpoint()?.timeout(Duration::from_secs(10)); // for answers to begin; streams go on
    let mut failures = 0;
    loop {
        let before = review.last;
        let Err(status) = review.follow(&endpoint).await else { return Ok(()) };
        failures = if review.last > before { 1 } else { failures + 1 };
        match explain(&status, failures) {
            Some(wait) if failures < 8 => {
                eprintln!("again after event {}, in {wait:?}", review.last);
                sleep(wait).await;
            }
            _ => process::exit(1),
        }
    }
}

fn endpoint() -> Result<Endpoint, Box<dyn Error>> {
    let server = env::var("CONSENSUS_SERVER").unwrap_or("127.0.0.1:50051".into());
    let endpoint = |scheme| Endpoint::from_shared(format!("{scheme}://{server}"));
    let Ok(path) = env::var("CONSENSUS_TLS_CA") else { return Ok(endpoint("http")?) };
    let authority = Certificate::from_pem(std::fs::read(path)?);
    Ok(endpoint("https")?.tls_config(ClientTlsConfig::new().ca_certificate(authority))?)
}

impl Review {
    /// Starts the run, unless that is done, and prints its events to the end. The connection is its own: the one
    /// before may be the fault.
    async fn follow(&mut self, endpoint: &Endpoint) -> Result<(), Status> {
        let bearer = env::var("CONSENSUS_KEY").ok().map(|key| format!("Bearer {key}"));
        let authorize = move |mut request: Request<()>| {
            if let Some(text) = &bearer {
                let value = text.parse().map_err(|_| Status::invalid_argument("CONSENSUS_KEY"))?;
                request.metadata_mut().insert("authorization", value);
            }
            Ok(request)
        };
        let mut client = ReviewServiceClient::with_interceptor(endpoint.connect_lazy(), authorize);
        if self.run_id.is_empty() {
            let info = client.get_service_info(GetServiceInfoRequest {}).await?.into_inner();
            let interval = info.limits.unwrap_or_default().heartbeat_interval.unwrap_or_default();
            self.silence = 2 * Duration::try_from(interval).unwrap_or_default();
            let started = client.start_review(self.request.clone()).await?.into_inner();
            self.run_id = started.run.unwrap_or_default().run_id;
        }
        let (run_id, after_sequence) = (self.run_id.clone(), self.last);
        let watch = WatchRunRequest { run_id, after_sequence, ..Default::default() };
        let mut stream = client.watch_run(watch).await?.into_inner();
        let silent = |_| Status::cancelled("the stream said nothing for too long");
        while let Some(message) = timeout(self.silence, stream.message()).await.map_err(silent)?? {
            // Without events it is a heartbeat.
            for event in message.events {
                self.last = event.sequence;
                match event.payload {
                    Some(Payload::PersonaReviewReady(_)) => println!("{} review", self.last),
                    Some(Payload::DecisionReady(ready)) => {
                        let decision = ready.decision.unwrap_or_default();
                        let confidence = decision.overall_weighted_confidence;
                        println!("{} decision {} {confidence}", self.last, decision.label().as_str_name());
                    }
                    _ => println!("{}", self.last), // and kinds that come to be added
                }
            }
        }
        Ok(())
    }
}

/// Prints an error; returns after which time the call may be made again, if ever, by the rule at the head of
/// errors.proto: what is not the service's word was the connection's, whatever its code.
fn explain(status: &Status, failures: u32) -> Option<Duration> {
    eprintln!("{:?}: {}", status.code(), status.message());
    let details = status.get_error_details();
    for violation in details.bad_request().iter().flat_map(|bad| &bad.field_violations) {
        eprintln!("  {}: {}", violation.field, violation.description);
    }
    let retry = details.retry_info().and_then(|retry| retry.retry_delay);
    match details.error_info().filter(|info| info.domain == "consensus.v1") {
        Some(info) => {
            eprintln!("  {} {:?}", info.reason, info.metadata);
            retry.or((info.reason == "CALL_DEADLINE_EXCEEDED").then_some(Duration::from_secs(10)))
        }
        None => Some(Duration::from_millis(100 << failures)),
    }
}
