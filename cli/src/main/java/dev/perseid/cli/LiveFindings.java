package dev.perseid.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.perseid.core.JobId;
import dev.perseid.journal.Findings;
import dev.perseid.journal.Trace;
import dev.perseid.journal.TraceFailure;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// What the records of a running job tell so far. A thread looks when it hears that there may be
/// new ones; it fetches only those, and it is never busy for more than a tenth of the time. What it
/// hears of while it looks or pauses it looks at afterwards, so that nothing is left untold until
/// the next change, which may be hours away.
final class LiveFindings implements AutoCloseable {
  private static final long LEAST_PAUSE_NS = 1_000_000_000L;
  private static final int PART_OF_TIME = 10;

  /// How often the pause is doubled while nothing can be fetched.
  private static final int LONGER = 5;

  /// Whom new findings are told, on the thread that looks.
  interface Taker {
    void found(Latest latest);

    /// The records could not be fetched; the next look may succeed.
    void failed(PoolFailure why);
  }

  private final PoolClient client;
  private final TraceSource.Live live;
  private final Taker taker;
  private final Thread thread;
  private int seen;

  // Guarded by this.
  private boolean changed;
  private boolean over;
  private @Nullable Latest latest;
  private @Nullable RuntimeException broken;

  /// The newest findings and what they were found in.
  record Latest(Trace trace, Findings findings) {
    /// As one JSON object.
    String json() {
      StringWriter text = new StringWriter();
      try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
        findings.write(json);
      } catch (IOException e) {
        throw new UncheckedIOException("strings can be written", e);
      }
      return text.toString();
    }
  }

  /// What was told last of why nothing could be fetched, and how often in a row nothing could.
  private String failure = "";

  private int failures;

  private LiveFindings(PoolClient client, JobId job, Taker taker) throws PoolFailure {
    this.client = client;
    this.taker = taker;
    live = TraceSource.live(client, job);
    thread = Thread.ofPlatform().name("findings").daemon().unstarted(this::run);
  }

  static LiveFindings follow(PoolClient client, JobId job, Taker taker) throws PoolFailure {
    LiveFindings findings = new LiveFindings(client, job, taker);
    findings.thread.start();
    return findings;
  }

  /// Says that there may be new records.
  synchronized void changed() {
    changed = true;
    notifyAll();
  }

  /// Says that no more records will come, and waits until all are looked at.
  ///
  /// @return what they tell, if any task ran
  Optional<Latest> end() {
    synchronized (this) {
      over = true;
      notifyAll();
    }
    join();
    synchronized (this) {
      if (broken != null) {
        throw broken;
      }
      return Optional.ofNullable(latest);
    }
  }

  private void run() {
    try {
      while (true) {
        boolean last;
        synchronized (this) {
          while (!changed && !over) {
            wait();
          }
          changed = false;
          last = over;
        }
        long began = System.nanoTime();
        look();
        long took = System.nanoTime() - began;
        if (last) {
          return;
        }
        // A pool that is away is asked less and less often.
        pause(Math.max(LEAST_PAUSE_NS << Math.min(failures, LONGER), PART_OF_TIME * took));
      }
    } catch (InterruptedException e) {
      // Nobody wants to know any more.
    } catch (RuntimeException e) {
      synchronized (this) {
        broken = e;
      }
    }
  }

  private synchronized void pause(long ns) throws InterruptedException {
    long until = System.nanoTime() + ns;
    for (long left = ns; left > 0 && !over; left = until - System.nanoTime()) {
      TimeUnit.NANOSECONDS.timedWait(this, left);
    }
  }

  private void look() {
    try {
      live.fetch(client);
    } catch (PoolFailure e) {
      String why = String.valueOf(e.getMessage());
      if (!why.equals(failure)) {
        taker.failed(e);
      }
      failure = why;
      failures++;
      changed();
      return;
    }
    failure = "";
    failures = 0;
    if (live.entries().size() == seen) {
      return;
    }
    seen = live.entries().size();
    Latest found;
    try {
      Trace trace = live.trace();
      found = new Latest(trace, Findings.of(trace, OptionalLong.empty()));
    } catch (TraceFailure e) {
      // Nothing that ended has run yet: there is nothing to tell.
      return;
    }
    synchronized (this) {
      latest = found;
    }
    taker.found(found);
  }

  private void join() {
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Stops looking.
  @Override
  public void close() {
    thread.interrupt();
    join();
  }

  /// `so far: 4.2 of 6 cores busy, most of the time running align; at least 3.2 s; 2 in vain`
  static String line(Findings f) {
    List<Findings.Share> where = f.where();
    return String.format(Locale.ROOT, "so far: %.1f of %d cores busy", f.meanParallel(), f.cores())
        + (where.isEmpty() ? "" : ", longest " + where.getFirst().words())
        + "; at least "
        + Amounts.duration(f.best().boundNs())
        + " of "
        + Amounts.duration(f.spanNs())
        + (f.vain() == 0 ? "" : "; " + f.vain() + " attempts in vain");
  }
}
