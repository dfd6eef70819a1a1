package dev.perseid.cli;

import dev.perseid.core.Address;
import dev.perseid.core.Entry;
import dev.perseid.core.JobId;
import dev.perseid.core.Offer;
import dev.perseid.journal.EntryTrace;
import dev.perseid.journal.Imports;
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
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
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
  private final Map<Optional<JobId>, Long> next = new LinkedHashMap<>();

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
    return what != null && isFile(what) ? file(Path.of(what), run) : job(what);
  }

  /// Of each job that was read (empty: everything of the caller's), the index in the pool's log
  /// after that of its newest record.
  Map<Optional<JobId>, Long> next() {
    return next;
  }

  /// Whether somebody means a file: there is one, or no job is called so.
  static boolean isFile(@Nullable String what) {
    return what != null
        && (Files.exists(Path.of(what)) || what.contains("/") || what.contains("."));
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
    return Imports.read(path);
  }

  private Trace job(@Nullable String what) throws BadInput, PoolFailure, TraceFailure {
    try (PoolClient client = at.connect(main)) {
      JobId id = AtPool.job(client, what);
      Live live = live(client, id);
      live.fetch(client);
      if (live.entries().size() == 0) {
        throw new BadInput("job " + id + " has no records yet: none of its tasks has ended");
      }
      next.put(Optional.of(id), live.next);
      return live.trace();
    }
  }

  /// Everything of the caller's in the pool: a trace for each job, and one for all requests.
  List<Trace> all() throws BadInput, PoolFailure, TraceFailure {
    Map<JobId, Live> jobs = new LinkedHashMap<>();
    try (PoolClient client = at.connect(main)) {
      Map<Address, Offer> offers = offers(client);
      Map<JobId, String> names = names(client);
      client.records(
          Optional.empty(),
          0,
          0,
          logged -> {
            JobId id = logged.entry().record().job();
            jobs.computeIfAbsent(
                    id, job -> new Live(job, names.getOrDefault(job, job.toString()), offers))
                .add(logged.entry());
          });
    }
    List<Trace> traces = new ArrayList<>();
    for (Live job : jobs.values()) {
      next.merge(Optional.empty(), job.next, Math::max);
      traces.add(job.trace());
    }
    return traces;
  }

  static Map<Address, Offer> offers(PoolClient client) throws PoolFailure {
    Map<Address, Offer> offers = new LinkedHashMap<>();
    for (Proto.ProviderView view : client.providers()) {
      Offer offer = ProvidersCommand.offer(view);
      offers.put(offer.provider(), offer);
    }
    return offers;
  }

  private static Map<JobId, String> names(PoolClient client) throws PoolFailure {
    Map<JobId, String> names = new LinkedHashMap<>();
    for (Proto.JobProgress job : client.list(false, 10_000)) {
      names.put(Progress.id(job), job.getName());
    }
    return names;
  }

  /// What a job's records tell so far; asked again it fetches only what is new.
  static Live live(PoolClient client, JobId id) throws PoolFailure {
    String name = names(client).getOrDefault(id, id.toString());
    return new Live(id, name, offers(client));
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
      client.records(Optional.of(id), next, 0, logged -> add(logged.entry()));
    }

    private void add(Entry entry) {
      Address provider = entry.record().provider();
      Offer offer = offers.get(provider);
      entries.add(entry);
      cores.put(provider, offer == null ? 0 : Math.max(1, offer.cores()));
      next = entry.index() + 1;
    }

    /// The cores are those that the providers lend, if all say so.
    Trace trace() throws TraceFailure {
      int sum = cores.values().stream().mapToInt(Integer::intValue).sum();
      boolean known = !cores.isEmpty() && !cores.containsValue(0);
      return entries.trace(name, known ? OptionalInt.of(sum) : OptionalInt.empty());
    }
  }
}
