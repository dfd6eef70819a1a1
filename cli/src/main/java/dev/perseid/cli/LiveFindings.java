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
import org.jspecify.annotations.Nullable;

/// What the records of a running job tell so far. Only new records are fetched, and it is never
/// busy for more than a tenth of the time. Used by one thread.
final class LiveFindings {
  private static final long LEAST_PAUSE_NS = 1_000_000_000L;
  private static final int PART_OF_TIME = 10;

  private final PoolClient client;
  private final TraceSource.Live live;
  private int seen;
  private long notBeforeNs;
  private @Nullable Latest latest;

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

  LiveFindings(PoolClient client, JobId job) throws PoolFailure {
    this.client = client;
    live = TraceSource.live(client, job);
    notBeforeNs = System.nanoTime();
  }

  /// Looks for new records.
  ///
  /// @param now even if it looked a moment ago
  /// @return what they tell, if there are new ones
  Optional<Latest> look(boolean now) throws PoolFailure {
    long began = System.nanoTime();
    if (!now && began - notBeforeNs < 0) {
      return Optional.empty();
    }
    live.fetch(client);
    Optional<Latest> found = Optional.empty();
    if (live.entries().size() > seen) {
      seen = live.entries().size();
      try {
        Trace trace = live.trace();
        latest = new Latest(trace, Findings.of(trace, OptionalLong.empty()));
        found = Optional.of(latest);
      } catch (TraceFailure e) {
        // Nothing that ended has run yet: there is nothing to tell.
      }
    }
    long took = System.nanoTime() - began;
    notBeforeNs = began + took + Math.max(LEAST_PAUSE_NS, PART_OF_TIME * took);
    return found;
  }

  Optional<Latest> latest() {
    return Optional.ofNullable(latest);
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
