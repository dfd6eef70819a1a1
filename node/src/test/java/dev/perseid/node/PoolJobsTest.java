package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;

class PoolJobsTest {
  @Test
  void whoHangsUpIsNoBugOfThePool() {
    List<String> said = new ArrayList<>();
    List<String> logged = new ArrayList<>();
    Handler log =
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            logged.add(record.getThrown() + "");
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    StreamObserver<String> out =
        new StreamObserver<>() {
          @Override
          public void onNext(String message) {
            said.add(message);
          }

          @Override
          public void onError(Throwable t) {
            said.add(t.toString());
          }

          @Override
          public void onCompleted() {
            said.add("completed");
          }
        };
    Logger logger = Logger.getLogger(PoolJobs.class.getName());
    logger.addHandler(log);
    try {
      PoolJobs.serve(
          out,
          refusal -> said.add("refused"),
          () -> {
            throw Status.CANCELLED.withDescription("call already cancelled").asRuntimeException();
          });
      assertThat(logged).noneMatch(thrown -> thrown.contains("call already cancelled"));
      assertThat(said).isEmpty();
      PoolJobs.serve(
          out,
          refusal -> said.add("refused"),
          () -> {
            throw new IllegalStateException("a real bug");
          });
      assertThat(logged).anyMatch(thrown -> thrown.contains("a real bug"));
      assertThat(said).singleElement().asString().contains("INTERNAL");
    } finally {
      logger.removeHandler(log);
    }
  }
}
