package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Form;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Gpus;
import dev.perseid.core.Hash;
import dev.perseid.core.Lease;
import dev.perseid.core.Limits;
import dev.perseid.core.Offer;
import dev.perseid.core.Operated;
import dev.perseid.core.Outcome;
import dev.perseid.core.Platform;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.Rejection;
import dev.perseid.core.Report;
import dev.perseid.core.ToProvider;
import dev.perseid.journal.Merkle;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/// The logic of a provider: which leases it holds, what it runs, and what it still owes the pool.
///
/// It owns no thread, clock or socket. One thread calls it (the process's own loop, or the
/// simulator), passes the time in, and calls [#turn] after each batch of other calls: only `turn`
/// starts attempts and sends reports and heartbeats. `nowUs` is any clock that counts microseconds
/// and never runs backwards.
///
/// A lease goes QUEUED -> RUNNING -> ENDED and is forgotten when the pool calls its report durable.
/// What has ended is kept over a lost connection and sent again. No message, however often it is
/// repeated, makes an attempt run twice.
public final class ProviderLoop {
  /// The way to the pool while connected. Does not block and does not fail: a broken connection is
  /// told through [#disconnected].
  public interface Link {
    /// Sends one message after all earlier ones.
    void send(FromProvider message);
  }

  /// Runs attempts. For each start there is exactly one later call of [#ended], also after a stop.
  public interface Runner {
    /// Begins an attempt and returns at once.
    void start(Lease lease);

    /// Ends an attempt early; it ends as CANCELLED unless it was quicker.
    void stop(long lease);

    /// Begins what a probe asks for, in place of what an earlier one asked for, and returns at
    /// once; there is one later call of [#probed], unless another takes its place.
    void probe(Probe probe);
  }

  /// The provider's key, and the digests that are signed with it.
  public interface Signer {
    /// EIP-712 digest of a record.
    Hash digest(ExecutionRecord record);

    /// EIP-712 digest of an offer: its name in leases and records.
    Hash digest(Offer offer);

    /// Signature over `RecordBatch(pool, root, count)`, 65 bytes as hexadecimal digits.
    String signBatch(Address pool, Hash root, int count);

    /// Signature over the offer, likewise.
    String signOffer(Offer offer);
  }

  /// How much there is to do.
  ///
  /// @param queued leases that wait for cores or memory
  /// @param running attempts that run
  /// @param undelivered attempts that ended and are not yet durable in the pool
  public record Load(int queued, int running, int undelivered) {}

  private enum State {
    QUEUED,
    RUNNING,
    /// Runs, but the pool wants nothing of it any more: it ends unheard.
    ABANDONED,
    ENDED
  }

  private static final class Held {
    final Lease lease;
    State state = State.QUEUED;
    boolean stopped;

    /// Whether it was the pool that stopped it, which pays for what it used then.
    boolean byPool;

    int overtaken;
    @Nullable Report report;
    long sentUs = NEVER;

    Held(Lease lease) {
      this.lease = lease;
    }
  }

  /// What became of a lease that is no longer held.
  private enum Past {
    /// Given back; or stopped before it came, to be given back when it comes.
    RETURNED,
    DURABLE
  }

  private static final long NEVER = Long.MIN_VALUE;
  private static final long HOUR_US = 3_600_000_000L;

  private final Address pool;
  private final Offer offer;
  private final Optional<Platform> platform;
  private final OptionalInt gPerKwh;
  private final Optional<Operated> operator;
  private final Hash offerDigest;
  private final String offerSignature;
  private final Signer signer;
  private final Runner runner;

  private final Map<Long, Held> held = new LinkedHashMap<>();
  private final ArrayDeque<Held> queue = new ArrayDeque<>();
  private final ArrayDeque<Held> unsent = new ArrayDeque<>();
  private final ArrayDeque<Held> sent = new ArrayDeque<>();
  private final List<Long> toReturn = new ArrayList<>();
  private final Map<Long, Past> past =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, Past> eldest) {
          return size() > ProviderLimits.REMEMBERED_LEASES;
        }
      };

  private @Nullable Link link;
  private boolean welcomed;
  private long session;
  private long heartbeatUs;
  private long silenceUs;
  private long disconnectedUs;
  private long lastSentUs;
  private long unsentSinceUs;
  private int running;
  private int freeCores;
  private long freeMemoryBytes;
  private int freeGpus;
  private boolean draining;
  private boolean lingering;
  private boolean gone;
  private @Nullable Probe probing;

  /// When it was asked for the probes of the last hour.
  private final ArrayDeque<Long> probesUs = new ArrayDeque<>();

  private @Nullable Rejection refusal;

  /// A provider that holds nothing and is not connected.
  ///
  /// @param pool the pool it serves
  /// @param offer what it lends; the same for the life of this object
  public ProviderLoop(Address pool, Offer offer, Signer signer, Runner runner) {
    this(pool, offer, Optional.empty(), Optional.empty(), OptionalInt.empty(), signer, runner);
  }

  /// The same of one that may run native tasks, too, and is somebody's.
  ///
  /// @param platform for which it runs native tasks; empty for none
  /// @param operator whose it is, if that is to be known
  /// @param gPerKwh what a kilowatt hour emits here, grams of carbon dioxide, if that is known
  public ProviderLoop(
      Address pool,
      Offer offer,
      Optional<Platform> platform,
      Optional<Operated> operator,
      OptionalInt gPerKwh,
      Signer signer,
      Runner runner) {
    this.platform = platform;
    this.operator = operator;
    this.gPerKwh = gPerKwh;
    this.pool = pool;
    this.offer = offer;
    this.signer = signer;
    this.runner = runner;
    offerDigest = signer.digest(offer);
    offerSignature = signer.signOffer(offer);
    freeCores = offer.cores();
    freeMemoryBytes = offer.memoryBytes();
    freeGpus = offer.gpus().count();
  }

  /// A new connection is open: says hello over it. Nothing else is sent before the pool's welcome.
  /// Messages that arrive from an older connection after this call must not be passed on.
  public void connected(Link newLink, long nowUs) {
    link = newLink;
    welcomed = false;
    refusal = null;
    List<Long> ids = new ArrayList<>(held.size());
    for (Held h : held.values()) {
      if (h.state != State.ABANDONED) {
        ids.add(h.lease.id());
      }
    }
    send(
        newLink,
        new FromProvider.Hello(
            offer, offerSignature, List.copyOf(ids), platform, operator, gPerKwh),
        nowUs);
  }

  /// The connection is lost. What runs goes on; what ended is kept; what is queued starts only as
  /// long as the pool has not yet given its leases to others.
  public void disconnected(long nowUs) {
    disconnectedUs = nowUs;
    link = null;
    welcomed = false;
    sent.clear();
    unsent.clear();
    toReturn.clear(); // not named in the next hello, so the pool offers them again
  }

  /// A message from the pool on the present connection.
  public void receive(ToProvider message, long nowUs) {
    switch (message) {
      case ToProvider.Welcome m -> welcome(m, nowUs);
      case ToProvider.Leases m -> m.leases().forEach(this::take);
      case ToProvider.Stop m -> m.leases().forEach(this::stop);
      case ToProvider.Durable m -> m.leases().forEach(this::forget);
      case ToProvider.Show m -> show(m.probe(), nowUs);
      case ToProvider.Refusal m -> {
        refusal = m.rejection();
        welcomed = false;
      }
    }
  }

  /// An attempt that was started has ended.
  public void ended(long lease, Attempt attempt, long nowUs) {
    Held h = held.get(lease);
    if (h == null || (h.state != State.RUNNING && h.state != State.ABANDONED)) {
      throw new IllegalStateException("lease " + lease + " ended here but was not running");
    }
    running--;
    freeCores += h.lease.kind().cores();
    freeMemoryBytes += h.lease.kind().memoryBytes();
    freeGpus += h.lease.kind().gpus().count();
    if (h.state == State.ABANDONED) {
      held.remove(lease);
      return;
    }
    conclude(h, attempt, nowUs);
  }

  /// What a probe asked for is done.
  public void probed(ProbeAnswer answer, long nowUs) {
    Probe asked = probing;
    if (asked == null || asked.id() != answer.id() || asked.part() != answer.part()) {
      return; // of a connection that is gone: the pool has asked anew
    }
    probing = null;
    Link out = link;
    if (out != null && welcomed) {
      send(out, new FromProvider.Probed(answer), nowUs);
    }
  }

  /// A pool that asks for too much, too often or out of turn gets no answer.
  private void show(Probe probe, long nowUs) {
    while (!probesUs.isEmpty() && nowUs - probesUs.getFirst() > HOUR_US) {
      probesUs.removeFirst();
    }
    boolean memory = probe.part().isMemory();
    Gpus gpus = offer.gpus();
    boolean onGpus = probe.part().isOfGpus();
    long mostBytes = onGpus ? gpus.count() * gpus.memoryBytes() : offer.memoryBytes();
    long mostLanes =
        switch (probe.part()) {
          case ONE_CORE, ALL_CORES, MEMORY -> offer.cores();
          case ONE_GPU -> gpus.any() ? ProviderLimits.PROBE_GPU_LANES : 0;
          case ALL_GPUS -> (long) gpus.count() * ProviderLimits.PROBE_GPU_LANES;
          case GPU_MEMORY -> gpus.count();
        };
    int mostLinks = onGpus ? ProviderLimits.PROBE_GPU_LINKS : ProviderLimits.PROBE_LINKS;
    long bytes = 8L * probe.chunkWords() * probe.length();
    boolean fair =
        !probe.equals(probing)
            && welcomed
            && probesUs.size() < ProviderLimits.PROBES_AN_HOUR
            && probe.lanes() >= 1
            && probe.lanes() <= mostLanes
            && probe.length() >= 1
            && (memory
                ? probe.length() <= ProviderLimits.PROBE_CHUNKS
                    && probe.chunkWords() > 0
                    && Integer.bitCount(probe.chunkWords()) == 1
                    && probe.chunkWords() <= ProviderLimits.PROBE_CHUNK_WORDS
                    && bytes <= mostBytes
                : probe.length() <= mostLinks);
    if (fair) {
      probing = probe;
      probesUs.addLast(nowUs);
      runner.probe(probe);
    }
  }

  /// Takes no new leases, gives back what has not started, ends what runs, delivers, says goodbye.
  public void drain(long nowUs) {
    if (draining) {
      return;
    }
    draining = true;
    Link out = link;
    if (out != null && welcomed) {
      send(out, new FromProvider.Drain(), nowUs);
    }
    while (!queue.isEmpty()) {
      giveBack(queue.removeFirst());
    }
  }

  /// Whether a drained provider stays connected for now, for the sake of something else that is on
  /// the same connection.
  public void linger(boolean stay) {
    lingering = stay;
  }

  /// Stops all that runs; each attempt is still reported. For a drain that has no time left.
  public void stopAll() {
    for (Held h : held.values()) {
      stopRunning(h);
    }
  }

  /// Whether a drain has finished: nothing runs and the pool has everything.
  public boolean drained() {
    return draining && held.isEmpty() && toReturn.isEmpty();
  }

  /// Starts what fits, sends what is due. Call it after every batch of other calls and no later
  /// than [#wakeUs].
  public void turn(long nowUs) {
    startQueued(nowUs);
    Link out = link;
    if (out == null || !welcomed || gone) {
      return;
    }
    while (!toReturn.isEmpty()) {
      List<Long> some =
          toReturn.subList(0, Math.min(toReturn.size(), ProviderLimits.RETURNED_LEASES));
      send(out, new FromProvider.ReturnLeases(List.copyOf(some)), nowUs);
      some.clear();
    }
    resendOverdue(nowUs);
    while (flushDueUs(nowUs) <= nowUs) {
      sendBatch(out, nowUs);
    }
    if (drained() && !lingering) {
      gone = true;
      send(out, new FromProvider.Goodbye("drained"), nowUs);
    } else if (nowUs >= lastSentUs + heartbeatUs) {
      send(out, new FromProvider.Heartbeat(), nowUs);
    }
  }

  /// When [#turn] has something to do if nothing else is called before; `Long.MAX_VALUE`: never.
  public long wakeUs(long nowUs) {
    if (link == null || !welcomed || gone) {
      return Long.MAX_VALUE;
    }
    long due = Math.min(lastSentUs + heartbeatUs, flushDueUs(nowUs));
    Held oldest = sent.peekFirst();
    return oldest == null ? due : Math.min(due, oldest.sentUs + ProviderLimits.RESEND_US);
  }

  /// Whether the pool has welcomed the present connection.
  public boolean welcomed() {
    return welcomed;
  }

  /// The number that the pool gave to the present connection, 0 before its welcome.
  public long session() {
    return welcomed ? session : 0;
  }

  /// Why the pool refused the present connection, if it did.
  public Optional<Rejection> refusal() {
    return Optional.ofNullable(refusal);
  }

  /// How much there is to do.
  public Load load() {
    return new Load(queue.size(), running, held.size() - queue.size() - running);
  }

  private void welcome(ToProvider.Welcome m, long nowUs) {
    Link out = link;
    if (out == null || welcomed) {
      return; // a doubled welcome changes nothing
    }
    welcomed = true;
    session = m.session();
    // Twice as often as asked, so that a late turn is no silence.
    heartbeatUs = Math.max(1, m.heartbeatMs()) * 1_000 / 2;
    silenceUs = Math.max(1, m.silenceMs()) * 1_000;
    for (Held h : held.values()) {
      if (h.state == State.ENDED) {
        queueReport(h, nowUs);
      }
    }
    if (draining) {
      send(out, new FromProvider.Drain(), nowUs);
    }
  }

  private void take(Lease lease) {
    if (held.containsKey(lease.id())) {
      return;
    }
    Past before = past.get(lease.id());
    if (before == Past.DURABLE) {
      return;
    }
    // A lease under terms that were never signed here could not be recorded; let the pool make a
    // new one under the present offer.
    boolean wanted =
        before == null
            && !draining
            && lease.offer().equals(offerDigest)
            && lease.provider().equals(offer.provider())
            && held.size() < ProviderLimits.HELD_LEASES;
    if (!wanted) {
      past.put(lease.id(), Past.RETURNED);
      toReturn.add(lease.id());
      return;
    }
    Held h = new Held(lease);
    held.put(lease.id(), h);
    queue.addLast(h);
  }

  private void stop(long lease) {
    Held h = held.get(lease);
    if (h == null) {
      // Its lease may still come, and would run until its deadline: it is given back then.
      past.putIfAbsent(lease, Past.RETURNED);
      return;
    }
    if (h.state == State.QUEUED) {
      queue.remove(h);
      giveBack(h);
    } else {
      h.byPool = true;
      stopRunning(h);
    }
  }

  private void stopRunning(Held h) {
    if ((h.state == State.RUNNING || h.state == State.ABANDONED) && !h.stopped) {
      h.stopped = true;
      runner.stop(h.lease.id());
    }
  }

  private void forget(long lease) {
    past.put(lease, Past.DURABLE);
    Held h = held.get(lease);
    if (h == null) {
      return;
    }
    switch (h.state) {
      case QUEUED -> {
        queue.remove(h);
        held.remove(lease);
      }
      case RUNNING -> {
        h.state = State.ABANDONED;
        stopRunning(h);
      }
      case ABANDONED -> {}
      case ENDED -> {
        held.remove(lease);
        if (h.sentUs == NEVER) {
          unsent.remove(h);
        }
      }
    }
  }

  private void giveBack(Held h) {
    held.remove(h.lease.id());
    past.put(h.lease.id(), Past.RETURNED);
    toReturn.add(h.lease.id());
  }

  private void startQueued(long nowUs) {
    if (!welcomed && nowUs >= disconnectedUs + silenceUs) {
      return;
    }
    int scanned = 0;
    Held waiting = null;
    Iterator<Held> i = queue.iterator();
    while (i.hasNext() && freeCores > 0 && scanned++ < ProviderLimits.START_SCAN) {
      Held h = i.next();
      int cores = h.lease.kind().cores();
      long memoryBytes = h.lease.kind().memoryBytes();
      int gpus = h.lease.kind().gpus().count();
      if (cores > offer.cores()
          || memoryBytes > offer.memoryBytes()
          || gpus > offer.gpus().count()
          || h.lease.kind().gpus().memoryBytes() > offer.gpus().memoryBytes()) {
        i.remove();
        conclude(h, Attempt.unstarted(Outcome.PROVIDER_FAILED, tooLarge(h.lease)), nowUs);
      } else if (h.lease.kind().form() instanceof Form.Native n
          && !platform.equals(Optional.of(n.platform()))) {
        i.remove();
        conclude(
            h,
            Attempt.unstarted(
                Outcome.PROVIDER_FAILED,
                "this provider runs no native tasks for " + n.platform().word()),
            nowUs);
      } else if (cores <= freeCores && memoryBytes <= freeMemoryBytes && gpus <= freeGpus) {
        if (waiting != null && ++waiting.overtaken > ProviderLimits.OVERTAKERS) {
          return;
        }
        i.remove();
        h.state = State.RUNNING;
        running++;
        freeCores -= cores;
        freeMemoryBytes -= memoryBytes;
        freeGpus -= gpus;
        runner.start(h.lease);
      } else if (waiting == null) {
        waiting = h;
      }
    }
  }

  private String tooLarge(Lease l) {
    boolean withGpus = l.kind().gpus().any();
    return "the task needs "
        + l.kind().cores()
        + " cores and "
        + l.kind().memoryBytes()
        + " bytes of memory"
        + (withGpus ? ", and " + gpus(l.kind().gpus()) : "")
        + "; this provider lends "
        + offer.cores()
        + " and "
        + offer.memoryBytes()
        + (withGpus ? ", and " + gpus(offer.gpus()) : "");
  }

  private static String gpus(Gpus gpus) {
    return gpus.count() + " GPUs with " + gpus.memoryBytes() + " bytes each";
  }

  private void conclude(Held h, Attempt a, long nowUs) {
    if (a.outcome() == Outcome.DONE && a.outputs().size() != h.lease.outputs()) {
      throw new IllegalArgumentException(
          "lease " + h.lease.id() + " declares " + h.lease.outputs() + " outputs: " + a.outputs());
    }
    boolean paid = a.outcome() == Outcome.CANCELLED && h.byPool;
    String reason = paid ? Report.STOPPED : reason(a.reason());
    Report unsigned = report(h.lease.id(), a, reason, Hash.ZERO);
    ExecutionRecord record = ExecutionRecord.of(pool, h.lease, unsigned, offer.price());
    h.report = report(h.lease.id(), a, reason, signer.digest(record));
    h.state = State.ENDED;
    queueReport(h, nowUs);
  }

  /// Cut to the limit, and made of whole Unicode characters: half of a pair would not survive the
  /// wire, and the pool's digest of the record would be another.
  private static String reason(String text) {
    String cut = text.substring(0, Math.min(text.length(), Limits.REASON_CHARS));
    return new String(cut.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
  }

  private static Report report(long lease, Attempt a, String reason, Hash digest) {
    return new Report(
        lease,
        a.outcome(),
        reason,
        a.startedUs(),
        a.endedUs(),
        a.usage(),
        List.copyOf(a.outputs()),
        a.engine(),
        a.isolation(),
        digest);
  }

  private void queueReport(Held h, long nowUs) {
    if (!welcomed) {
      return; // the next welcome queues all that ended
    }
    if (unsent.isEmpty()) {
      unsentSinceUs = nowUs;
    }
    h.sentUs = NEVER;
    unsent.addLast(h);
  }

  private long flushDueUs(long nowUs) {
    if (unsent.isEmpty()) {
      return Long.MAX_VALUE;
    }
    boolean nothingFollowsSoon = running == 0 && queue.isEmpty();
    if (nothingFollowsSoon || unsent.size() >= ProviderLimits.BATCH_REPORTS) {
      return nowUs;
    }
    boolean few = unsent.size() < ProviderLimits.FEW_REPORTS;
    return unsentSinceUs + (few ? ProviderLimits.BATCH_WAIT_US : ProviderLimits.BUSY_BATCH_WAIT_US);
  }

  private void sendBatch(Link out, long nowUs) {
    List<Report> reports = new ArrayList<>();
    List<Hash> digests = new ArrayList<>();
    long bytes = 0;
    while (!unsent.isEmpty() && reports.size() < ProviderLimits.BATCH_REPORTS) {
      Held h = unsent.getFirst();
      Report r = h.report;
      if (r == null) {
        throw new AssertionError("an ended lease has a report");
      }
      bytes += wireBytes(r);
      if (!reports.isEmpty() && bytes > ProviderLimits.BATCH_BYTES) {
        break;
      }
      unsent.removeFirst();
      h.sentUs = nowUs;
      sent.addLast(h);
      reports.add(r);
      digests.add(r.digest());
    }
    Hash root = Merkle.rootOfDigests(digests);
    String signature = signer.signBatch(pool, root, reports.size());
    send(out, new FromProvider.Reports(List.copyOf(reports), root, signature), nowUs);
  }

  /// An upper estimate.
  private static long wireBytes(Report r) {
    return 256L + 48L * r.outputs().size() + 3L * r.reason().length();
  }

  private void resendOverdue(long nowUs) {
    while (!sent.isEmpty()) {
      Held h = sent.getFirst();
      boolean durable = held.get(h.lease.id()) != h;
      if (!durable && nowUs < h.sentUs + ProviderLimits.RESEND_US) {
        return;
      }
      sent.removeFirst();
      if (!durable) {
        queueReport(h, nowUs);
      }
    }
  }

  private void send(Link out, FromProvider message, long nowUs) {
    lastSentUs = nowUs;
    out.send(message);
  }
}
