package dev.perseid.cli;

import dev.perseid.core.Address;
import dev.perseid.core.JobId;
import dev.perseid.core.Offer;
import dev.perseid.journal.EntryTrace;
import dev.perseid.journal.Trace;
import dev.perseid.journal.TraceFailure;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.v1.Proto;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// Where a trace comes from: a file, whose content says what it is, or a job of a pool.
final class TraceSource {
  private static final byte[] ENGINE = "PERSEIDR".getBytes(StandardCharsets.US_ASCII);

  private final Main main;
  private final AtPool at;

  TraceSource(Main main, AtPool at) {
    this.main = main;
    this.at = at;
  }

  /// The trace that somebody names.
  ///
  /// @param what a file, a job's id, `requests`, or null for the newest job
  /// @param run of an engine's file, only this run
  Trace read(@Nullable String what, OptionalLong run)
      throws BadInput, PoolFailure, IOException, TraceFailure {
    if (what != null && (Files.exists(Path.of(what)) || looksLikeFile(what))) {
      return file(Path.of(what), run);
    }
    return job(what);
  }

  private static boolean looksLikeFile(String what) {
    return what.contains("/") || what.contains(".");
  }

  private static Trace file(Path path, OptionalLong run)
      throws BadInput, IOException, TraceFailure {
    if (Files.isDirectory(path)) {
      throw new BadInput("'" + path + "' is a folder; name a file in it");
    }
    if (!Files.isRegularFile(path)) {
      throw new BadInput("there is no file '" + path + "'");
    }
    byte[] head;
    try (InputStream in = Files.newInputStream(path)) {
      head = in.readNBytes(ENGINE.length);
    }
    if (head.length == 0) {
      throw new BadInput("'" + path + "' is empty: nothing was recorded");
    }
    if (java.util.Arrays.equals(head, ENGINE)) {
      return EngineTrace.read(path, run);
    }
    throw new BadInput(
        "'"
            + path
            + "' is no file that this reads: name a record file of the engine (docs/engine.md)");
  }

  private Trace job(@Nullable String what) throws BadInput, PoolFailure, TraceFailure {
    try (PoolClient client = at.connect(main)) {
      JobId id = AtPool.job(client, what);
      Live live = live(client, id);
      live.fetch(client);
      if (live.entries().size() == 0) {
        throw new BadInput("job " + id + " has no records yet: none of its tasks has ended");
      }
      return live.trace();
    }
  }

  /// What a job's records tell so far; asked again it fetches only what is new.
  static Live live(PoolClient client, JobId id) throws PoolFailure {
    Map<Address, Offer> offers = new LinkedHashMap<>();
    for (Proto.ProviderView view : client.providers()) {
      Offer offer = ProvidersCommand.offer(view);
      offers.put(offer.provider(), offer);
    }
    String name = id.toString();
    for (Proto.JobProgress job : client.list(false, 10_000)) {
      if (Progress.id(job).equals(id)) {
        name = job.getName();
      }
    }
    return new Live(id, name, offers);
  }

  /// A job's records as they come.
  static final class Live {
    private final JobId id;
    private final String name;
    private final Map<Address, Offer> offers;
    private final Map<Address, Integer> cores = new LinkedHashMap<>();
    private final EntryTrace entries;
    private long next;

    private Live(JobId id, String name, Map<Address, Offer> offers) {
      this.id = id;
      this.name = name;
      this.offers = offers;
      entries = new EntryTrace(id.toString(), this::place);
    }

    private String place(Address provider) {
      Offer offer = offers.get(provider);
      return offer == null ? provider.toString() : offer.name();
    }

    EntryTrace entries() {
      return entries;
    }

    void fetch(PoolClient client) throws PoolFailure {
      client.records(
          Optional.of(id),
          next,
          0,
          logged -> {
            entries.add(logged.entry());
            Offer offer = offers.get(logged.entry().record().provider());
            cores.put(
                logged.entry().record().provider(), offer == null ? 0 : Math.max(1, offer.cores()));
            next = logged.entry().index() + 1;
          });
    }

    /// The cores are those that the providers lend, if all say so.
    Trace trace() throws TraceFailure {
      int sum = cores.values().stream().mapToInt(Integer::intValue).sum();
      boolean known = !cores.isEmpty() && !cores.containsValue(0);
      return entries.trace(name, known ? OptionalInt.of(sum) : OptionalInt.empty());
    }
  }
}
