package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/// A listener that keeps what it hears and holds backends to the order of their calls.
class Heard implements Answer {
  final List<String> parts = new CopyOnWriteArrayList<>();
  final CompletableFuture<String> end = new CompletableFuture<>();
  final CompletableFuture<String> firstPart = new CompletableFuture<>();
  volatile Claim claim = Claim.NONE;
  volatile Failure failure = new Failure(Failure.Kind.BROKEN, "none yet");
  volatile Thread thread = Thread.currentThread();

  @Override
  public void part(byte[] json) {
    assertThat(end).isNotDone();
    parts.add(new String(json, StandardCharsets.UTF_8));
    firstPart.complete(parts.getFirst());
  }

  @Override
  public void done(Claim used) {
    claim = used;
    thread = Thread.currentThread();
    assertThat(end.complete("done")).as("one end only").isTrue();
  }

  @Override
  public void failed(Failure why, Claim used) {
    claim = used;
    failure = why;
    thread = Thread.currentThread();
    assertThat(end.complete(why.kind().name())).as("one end only").isTrue();
  }

  /// How it ended: `done` or the kind of failure.
  String ended() throws Exception {
    return end.get(20, TimeUnit.SECONDS);
  }
}
