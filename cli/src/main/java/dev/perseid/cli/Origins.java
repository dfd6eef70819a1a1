package dev.perseid.cli;

import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.journal.Trace;
import dev.perseid.journal.TraceFailure;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/// What a query is asked of: files and jobs of a pool, or everything of the caller's there.
final class Origins {
  private final Main main;
  private final AtPool at;
  private final TraceSource source;
  private final List<String> from;

  Origins(Main main, AtPool at, List<String> from) {
    this.main = main;
    this.at = at;
    source = new TraceSource(main, at);
    this.from = List.copyOf(from);
  }

  private boolean pool() {
    return from.isEmpty() || !from.stream().allMatch(TraceSource::isFile);
  }

  /// A digest of what is named and of how rows are made of it.
  String question() throws BadInput {
    StringBuilder text = new StringBuilder(RecordTable.columns());
    text.append('\n').append(VersionCommand.version());
    if (pool()) {
      text.append('\n').append(main.home().pool(Optional.ofNullable(at.pool)));
      text.append('\n').append(at.key);
    }
    for (String one : from) {
      text.append('\n');
      text.append(TraceSource.isFile(one) ? Path.of(one).toAbsolutePath().toString() : one);
    }
    return digest(text);
  }

  /// Adds all records to a table.
  ///
  /// @return the highest index that one of them has in the pool's log; -1: there is none of a pool
  long load(RecordTable table)
      throws BadInput, PoolFailure, IOException, TraceFailure, SQLException {
    if (from.isEmpty()) {
      for (Trace trace : source.all()) {
        table.add(trace);
      }
    }
    for (String one : from) {
      if (one.endsWith(".parquet") && Files.isRegularFile(Path.of(one))) {
        table.addParquet(Path.of(one));
      } else {
        table.add(source.read(one, OptionalLong.empty()));
      }
    }
    return source.next().values().stream().mapToLong(next -> next - 1).max().orElse(-1);
  }

  /// What of the origins can change in place: of a file, which it is, how large and since when; of
  /// a pool, what its providers call themselves. Unlike these, records only become more.
  ///
  /// @return empty if a file was written to so lately that its time might not tell of the next
  ///   change
  Optional<String> changeable() throws BadInput, PoolFailure, IOException {
    StringBuilder text = new StringBuilder();
    Instant settled = Instant.now().minus(Duration.ofMillis(QueryLimits.SETTLED_MS));
    for (String one : from) {
      if (TraceSource.isFile(one)) {
        if (!Files.isRegularFile(Path.of(one))) {
          return Optional.empty();
        }
        BasicFileAttributes file = Files.readAttributes(Path.of(one), BasicFileAttributes.class);
        if (file.lastModifiedTime().toInstant().isAfter(settled)) {
          return Optional.empty();
        }
        text.append(file.fileKey()).append(' ').append(file.size()).append(' ');
        text.append(file.lastModifiedTime().toInstant()).append('\n');
      }
    }
    if (pool()) {
      try (PoolClient client = at.connect(main)) {
        text.append(client.self()).append('\n');
        TraceSource.offers(client).values().stream()
            .map(offer -> offer.provider() + " " + offer.name())
            .sorted()
            .forEach(line -> text.append(line).append('\n'));
      }
    }
    return Optional.of(text.toString());
  }

  /// Whether the pool has had no more records of them until now than were loaded. Each has a higher
  /// index than all that came before, so that who asks later needs to look from the newest on only.
  boolean complete() throws BadInput, PoolFailure {
    boolean[] more = new boolean[1];
    if (pool()) {
      try (PoolClient client = at.connect(main)) {
        for (Map.Entry<Optional<JobId>, Long> read : source.next().entrySet()) {
          client.records(read.getKey(), read.getValue(), 1, logged -> more[0] = true);
        }
      }
    }
    return !more[0];
  }

  /// A digest of all that the origins are, if there are no newer records. What is before a record
  /// in a pool's log cannot change.
  ///
  /// @param newest as [#load] says it
  /// @return empty if there are newer ones, or [#changeable] is
  Optional<String> state(long newest) throws BadInput, PoolFailure, IOException {
    Optional<String> changeable = changeable();
    if (changeable.isEmpty()) {
      return Optional.empty();
    }
    StringBuilder text = new StringBuilder(changeable.get());
    return !pool() || records(newest, text) ? Optional.of(digest(text)) : Optional.empty();
  }

  private boolean records(long newest, StringBuilder text) throws BadInput, PoolFailure {
    if (newest < 0) {
      return false;
    }
    List<String> last = new ArrayList<>();
    boolean[] more = new boolean[1];
    try (PoolClient client = at.connect(main)) {
      List<Optional<JobId>> jobs = new ArrayList<>();
      if (from.isEmpty()) {
        jobs.add(Optional.empty());
      }
      for (String one : from) {
        if (!TraceSource.isFile(one)) {
          jobs.add(Optional.of(AtPool.job(client, one)));
        }
      }
      for (Optional<JobId> job : jobs) {
        text.append(job).append('\n');
        // One more than there should be.
        client.records(
            job,
            newest,
            2,
            logged -> {
              more[0] |= logged.entry().index() != newest;
              last.add(Hash.sha256(logged.bytes()).toString());
            });
      }
    }
    last.forEach(text::append);
    return !last.isEmpty() && !more[0];
  }

  private static String digest(StringBuilder text) {
    return Hash.sha256(text.toString().getBytes(StandardCharsets.UTF_8)).toString();
  }
}
