package dev.perseid.node;

import dev.perseid.inference.Answer;
import dev.perseid.inference.Backend;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Request;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/// A backend that answers what a test tells it to answer.
final class ScriptedBackend implements Backend {
  /// One request.
  static final class Asked {
    final Request request;
    final Answer answer;
    final CountDownLatch stopped = new CountDownLatch(1);

    Asked(Request request, Answer answer) {
      this.request = request;
      this.answer = answer;
    }

    void part(String json) {
      answer.part(json.getBytes(StandardCharsets.UTF_8));
    }

    /// Says that it stopped, once it was told to.
    void stop(Claim claim) throws InterruptedException {
      awaitStop();
      answer.failed(new Failure(Failure.Kind.CANCELLED, "stopped"), claim);
    }

    void awaitStop() throws InterruptedException {
      if (!stopped.await(20, TimeUnit.SECONDS)) {
        throw new AssertionError("request " + request.id() + " was not stopped");
      }
    }
  }

  final LinkedBlockingQueue<Asked> asked = new LinkedBlockingQueue<>();
  volatile Health health = new Health(true, 2, 0, 0, "");
  volatile boolean closed;

  Asked next() throws InterruptedException {
    Asked a = asked.poll(20, TimeUnit.SECONDS);
    if (a == null) {
      throw new AssertionError("the backend is not asked");
    }
    return a;
  }

  @Override
  public Runnable ask(Request request, Answer answer) {
    Asked a = new Asked(request, answer);
    asked.add(a);
    return a.stopped::countDown;
  }

  @Override
  public Health health() {
    return health;
  }

  @Override
  public String name() {
    return "scripted 1";
  }

  @Override
  public void close() {
    closed = true;
  }
}
