package dev.perseid.node;

import dev.perseid.inference.Answer;
import dev.perseid.inference.Backend;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Request;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/// A backend that answers every request with one chunk after the other, a few milliseconds apart:
/// as many as `max_tokens` says, one token each.
final class TickingBackend implements Backend {
  private static final long TICK_MS = 5;
  private static final int PROMPT_TOKENS = 4;

  final AtomicInteger running = new AtomicInteger();
  private final ScheduledExecutorService clock =
      Executors.newSingleThreadScheduledExecutor(
          r -> Thread.ofPlatform().daemon().name("ticking").unstarted(r));

  private final class Ticks implements Runnable {
    final Answer answer;
    final int most;
    int sent;
    boolean over;
    ScheduledFuture<?> future;

    Ticks(Answer answer, int most) {
      this.answer = answer;
      this.most = most;
    }

    @Override
    public synchronized void run() {
      if (over) {
        return;
      }
      boolean last = sent + 1 >= most;
      answer.part(
          """
          {"id":"c","object":"chat.completion.chunk","created":1,"model":"ticks",\
          "choices":[{"index":0,"delta":{"content":"t"},"finish_reason":%s}]}\
          """
              .formatted(last ? "\"stop\"" : "null")
              .getBytes(StandardCharsets.UTF_8));
      sent++;
      if (last) {
        end();
        answer.done(Claim.tokens(PROMPT_TOKENS, 0, sent));
      }
    }

    synchronized void stop() {
      if (!over) {
        end();
        answer.failed(
            new Failure(Failure.Kind.CANCELLED, "stopped"), Claim.tokens(PROMPT_TOKENS, 0, sent));
      }
    }

    private void end() {
      over = true;
      running.decrementAndGet();
      future.cancel(false);
    }
  }

  @Override
  public Runnable ask(Request request, Answer answer) {
    String body = new String(request.body(), StandardCharsets.UTF_8);
    int most = Integer.parseInt(body.replaceAll("(?s).*\"max_tokens\":(\\d+).*", "$1"));
    Ticks ticks = new Ticks(answer, most);
    running.incrementAndGet();
    synchronized (ticks) {
      ticks.future = clock.scheduleWithFixedDelay(ticks, TICK_MS, TICK_MS, TimeUnit.MILLISECONDS);
    }
    return ticks::stop;
  }

  @Override
  public Health health() {
    return new Health(true, 8, running.get(), 0, "");
  }

  @Override
  public String name() {
    return "ticking";
  }

  @Override
  public void close() {
    clock.shutdownNow();
  }
}
