import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.consensusengine.v1.*;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import io.grpc.StatusException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Reviews an idea and follows its run to the decision, whatever becomes of the connection. */
class Review {
  private final StartReviewRequest request;
  private String runId = "";
  private int last = 0; // the sequence of the last event that arrived
  private Duration silence; // a stream that says nothing for so long is dead

  Review(String idea) {
    var input = ReviewInput.newBuilder().setIdea(idea);
    // A key of our own makes it safe to send the same request again.
    var key = UUID.randomUUID().toString();
    request = StartReviewRequest.newBuilder().setReview(input).setIdempotencyKey(key).build();
  }

  public static void main(String[] arguments) throws Exception {
    var review = new Review(arguments[0]);
    for (int failures = 1; ; failures++) {
      int before = review.last;
      try {
        review.follow();
        return;
      } catch (StatusException | TimeoutException failure) {
        failures = review.last > before ? 1 : failures;
        long wait = explain(failure, failures);
        if (wait < 0 || failures == 8) System.exit(1);
        System.err.printf("again after event %d, in %d ms%n", review.last, wait);
        Thread.sleep(wait);
      }
    }
  }

  /** Starts the run, unless that is done, and prints its events to the end, over a connection of its own. */
  private void follow() throws StatusException, TimeoutException, InterruptedException, IOException {
    var authority = System.getenv("CONSENSUS_TLS_CA");
    var security = authority == null
        ? InsecureChannelCredentials.create()
        : TlsChannelCredentials.newBuilder().trustManager(new File(authority)).build();
    var headers = new Metadata();
    var key = System.getenv("CONSENSUS_KEY");
    if (key != null) {
      headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + key);
    }
    var server = System.getenv().getOrDefault("CONSENSUS_SERVER", "127.0.0.1:50051");
    var channel = Grpc.newChannelBuilder(server, security)
        .intercept(MetadataUtils.newAttachHeadersInterceptor(headers)).build();
    try {
      var client = ReviewServiceGrpc.newBlockingV2Stub(channel);
      if (runId.isEmpty()) {
        var bounded = client.withDeadlineAfter(10, TimeUnit.SECONDS);
        var info = bounded.getServiceInfo(GetServiceInfoRequest.getDefaultInstance());
        var interval = info.getLimits().getHeartbeatInterval();
        silence = Duration.ofSeconds(interval.getSeconds(), interval.getNanos()).multipliedBy(2);
        runId = bounded.startReview(request).getRun().getRunId();
      }
      var stream =
          client.watchRun(WatchRunRequest.newBuilder().setRunId(runId).setAfterSequence(last).build());
      WatchRunResponse message;
      while ((message = stream.read(silence.toMillis(), TimeUnit.MILLISECONDS)) != null) {
        for (var event : message.getEventsList()) { // none in a heartbeat
          last = event.getSequence();
          var decision = event.getDecisionReady().getDecision();
          var more = event.hasDecisionReady()
              ? decision.getLabel() + " " + decision.getOverallWeightedConfidence() : "";
          System.out.println((last + " " + event.getPayloadCase() + " " + more).strip());
        }
      }
    } finally {
      channel.shutdownNow();
    }
  }

  /**
   * Prints an error; returns after how many milliseconds the call may be made again, or -1, by the rule at the
   * head of errors.proto: what is not the service's word was the connection's, whatever its code.
   */
  private static long explain(Exception failure, int failures) throws InvalidProtocolBufferException {
    System.err.println(failure);
    var status = StatusProto.fromThrowable(failure); // null where our own watchdog gave up
    boolean spoken = false;
    Duration wait = null;
    for (Any detail : status == null ? List.<Any>of() : status.getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        var info = detail.unpack(ErrorInfo.class);
        System.err.println("  " + info.getReason() + " " + info.getMetadataMap());
        spoken = info.getDomain().equals("consensus.v1") && !info.getReason().equals("CALL_DEADLINE_EXCEEDED");
      } else if (detail.is(RetryInfo.class)) {
        var delay = detail.unpack(RetryInfo.class).getRetryDelay();
        wait = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
      } else if (detail.is(BadRequest.class)) {
        for (var violation : detail.unpack(BadRequest.class).getFieldViolationsList()) {
          System.err.println("  " + violation.getField() + ": " + violation.getDescription());
        }
      }
    }
    return wait != null ? wait.toMillis() : spoken ? -1 : 100L << failures;
  }
}
