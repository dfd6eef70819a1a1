package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Hash;
import dev.perseid.core.Lease;
import dev.perseid.core.Limits;
import dev.perseid.core.Offer;
import dev.perseid.core.Outcome;
import dev.perseid.core.Report;
import dev.perseid.core.Usage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// Twists what a provider says on its way out. Every lie is one that the pool can see through; a
/// plausible wrong result it cannot see yet, so that is none of these.
final class Liar {
  private final Dice dice;
  private final Seals seals;
  private final Address pool;
  private final Address self;
  private final int perMyriad;
  private final Map<Long, Lease> known = new TreeMap<>();
  private @Nullable Offer offer;
  private boolean honest;

  Liar(Dice dice, Seals seals, Address pool, Address self, int perMyriad) {
    this.dice = dice;
    this.seals = seals;
    this.pool = pool;
    this.self = self;
    this.perMyriad = perMyriad;
  }

  /// From now on it tells the truth.
  void repent() {
    honest = true;
  }

  /// Remembers a lease, to lie about it consistently.
  void learn(Lease lease) {
    known.put(lease.id(), lease);
  }

  /// Says something to the pool, perhaps not what it was told to say.
  void twist(Cable cable, FromProvider message, PoolHost poolHost, Agenda agenda) {
    if (message instanceof FromProvider.Hello h) {
      offer = h.offer();
    }
    if (honest || !dice.chance(perMyriad)) {
      cable.toPool(message);
      return;
    }
    switch (message) {
      case FromProvider.Reports m -> reports(cable, m, poolHost, agenda);
      case FromProvider.Hello m -> hello(cable, m);
      case FromProvider.Heartbeat m -> {
        // Gives back what was never given, or is over, or is somebody else's.
        cable.toPool(new FromProvider.ReturnLeases(List.of(dice.between(-2, 300))));
        cable.toPool(m);
      }
      case FromProvider.Probed _,
          FromProvider.ReturnLeases _,
          FromProvider.Drain _,
          FromProvider.Goodbye _ -> {
        cable.toPool(message);
        cable.toPool(message);
      }
    }
  }

  private void hello(Cable cable, FromProvider.Hello m) {
    switch (dice.below(3)) {
      case 0 -> {
        List<Long> held = new ArrayList<>(m.held());
        held.add(dice.between(-1, 300));
        held.addAll(m.held());
        cable.toPool(
            new FromProvider.Hello(
                m.offer(), m.signature(), held, m.platform(), m.operator(), m.gPerKwh()));
      }
      case 1 ->
          cable.toPool(
              new FromProvider.Hello(
                  m.offer(), seals.sign(self, Hash.sha256(new byte[] {1})), m.held()));
      default -> {
        cable.toPool(new FromProvider.Heartbeat());
        cable.toPool(m);
      }
    }
  }

  private void reports(Cable cable, FromProvider.Reports m, PoolHost poolHost, Agenda agenda) {
    List<Report> reports = new ArrayList<>(m.reports());
    int which = dice.below(reports.size());
    switch (dice.below(12)) {
      case 0 -> // not signed by it
          cable.toPool(new FromProvider.Reports(m.reports(), m.root(), "00".repeat(65)));
      case 1 -> // another root
          cable.toPool(
              new FromProvider.Reports(m.reports(), Hash.sha256(m.root().bytes()), m.signature()));
      case 2 -> { // twice
        cable.toPool(m);
        cable.toPool(m);
      }
      case 3 -> { // also under a session that is over, or not yet there
        long session = cable.session() + dice.between(-1, 1);
        agenda.after(
            dice.between(1, 100_000),
            "liar reports under another session",
            cable.provider(),
            () -> poolHost.arrived(cable, session, m));
        cable.toPool(m);
      }
      default -> {
        reports.set(which, twisted(reports.get(which)));
        cable.toPool(signed(reports));
      }
    }
  }

  private FromProvider.Reports signed(List<Report> reports) {
    Hash root = seals.root(reports.stream().map(Report::digest).toList());
    String signature = seals.sign(self, seals.batch(pool, root, reports.size()));
    return new FromProvider.Reports(List.copyOf(reports), root, signature);
  }

  private Report twisted(Report r) {
    Usage u = r.usage();
    List<Blob> more = new ArrayList<>(r.outputs());
    // One too many: one that is stored, or one that is not.
    more.add(
        more.isEmpty() || dice.chance(5_000)
            ? new Blob(Hash.sha256(new byte[] {2}), 5)
            : more.getFirst());
    Report lie =
        switch (dice.below(14)) {
          case 0 -> with(r, r.outcome(), r.reason(), u, more);
          case 1 -> with(r, r.outcome(), r.reason(), u, List.of());
          case 2 -> with(r, r.outcome(), r.reason(), u, resized(r.outputs(), -1));
          case 3 -> with(r, r.outcome(), r.reason(), u, resized(r.outputs(), Long.MAX_VALUE / 2));
          case 4 -> with(r, r.outcome(), r.reason(), gas(u, Limits.GAS * 2), r.outputs());
          case 5 -> with(r, r.outcome(), r.reason(), gas(u, -1), r.outputs());
          case 6 -> with(r, Outcome.LOST, "I lost it", u, List.of());
          case 7 -> with(r, r.outcome(), "x".repeat(Limits.REASON_CHARS + 1), u, r.outputs());
          case 8 -> timed(r, /* startedUs= */ r.endedUs(), /* endedUs= */ r.startedUs());
          case 9, 10, 11, 12 -> lease(r, r.lease() + dice.between(-3, 3));
          default -> r;
        };
    // A careless liar leaves the digest as it was.
    return dice.chance(3_000) ? digested(lie, Hash.sha256(r.digest().bytes())) : consistent(lie);
  }

  /// The report with the digest that follows from it.
  private Report consistent(Report r) {
    Lease lease = known.get(r.lease());
    Offer o = offer;
    if (lease == null || o == null) {
      return r;
    }
    return digested(r, seals.record(ExecutionRecord.of(pool, lease, r, o.price())));
  }

  private static List<Blob> resized(List<Blob> blobs, long bytes) {
    return blobs.stream().map(b -> new Blob(b.hash(), bytes)).toList();
  }

  private static Usage gas(Usage u, long gas) {
    return new Usage(
        OptionalLong.of(gas),
        u.cpuNs(),
        u.wallNs(),
        u.peakMemoryBytes(),
        u.bytesIn(),
        u.bytesOut(),
        u.fetchedBytes(),
        u.gpuNs(),
        u.energyUj(),
        u.energyBy());
  }

  private static Report with(
      Report r, Outcome outcome, String reason, Usage u, List<Blob> outputs) {
    return new Report(
        r.lease(),
        outcome,
        reason,
        r.startedUs(),
        r.endedUs(),
        u,
        outputs,
        r.engine(),
        r.isolation(),
        r.digest());
  }

  private static Report timed(Report r, OptionalLong startedUs, OptionalLong endedUs) {
    return new Report(
        r.lease(),
        r.outcome(),
        r.reason(),
        startedUs,
        endedUs,
        r.usage(),
        r.outputs(),
        r.engine(),
        r.isolation(),
        r.digest());
  }

  private static Report lease(Report r, long lease) {
    return new Report(
        lease,
        r.outcome(),
        r.reason(),
        r.startedUs(),
        r.endedUs(),
        r.usage(),
        r.outputs(),
        r.engine(),
        r.isolation(),
        r.digest());
  }

  private static Report digested(Report r, Hash digest) {
    return new Report(
        r.lease(),
        r.outcome(),
        r.reason(),
        r.startedUs(),
        r.endedUs(),
        r.usage(),
        r.outputs(),
        r.engine(),
        r.isolation(),
        digest);
  }
}
