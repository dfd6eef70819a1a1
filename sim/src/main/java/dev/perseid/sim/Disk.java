package dev.perseid.sim;

import dev.perseid.core.Entry;
import dev.perseid.core.Event;
import dev.perseid.core.EventCodec;
import dev.perseid.core.Movement;
import dev.perseid.core.SignedBatch;
import dev.perseid.node.PoolLoop;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The pool's disk: a log that is durable only after a sync, snapshots, and the archive of records.
/// It outlives the pool's process; what was not synced when that died may be gone.
///
/// A batch is written as one checksummed entry: torn by a crash it is dropped whole when the log is
/// opened again, which is what the log that the node uses does.
final class Disk implements PoolLoop.Log, PoolLoop.Archive {
  private static final int STALL = 100;

  private final Agenda agenda;
  private final Diary diary;
  private final Dice dice;
  private final Weather weather;
  private final Sabotage sabotage;
  private final Auditor auditor;

  private final List<byte[]> log = new ArrayList<>();
  private byte @Nullable [] unsynced;
  private int powerCuts;
  private byte @Nullable [] snapshot;
  private int snapshotAt;

  private final List<Entry> entries = new ArrayList<>();
  private final List<Movement> movements = new ArrayList<>();
  private final List<SignedBatch> batches = new ArrayList<>();
  private int syncedEntries;
  private int syncedBatches;

  private boolean calm;
  private Consumer<List<Event>> onDurable = _ -> {};

  Disk(Agenda agenda, Diary diary, Dice dice, Weather weather, Sabotage sabotage, Auditor auditor) {
    this.agenda = agenda;
    this.diary = diary;
    this.dice = dice;
    this.weather = weather;
    this.sabotage = sabotage;
    this.auditor = auditor;
  }

  /// From now on syncs are quick.
  void calm() {
    calm = true;
  }

  /// Who is told of events that have become durable, before the pool is.
  void onDurable(Consumer<List<Event>> reader) {
    onDurable = reader;
  }

  @Override
  public void append(byte[] events, Runnable durable) {
    if (unsynced != null) {
      throw new Violation("the pool appends to its log while it waits for the batch before");
    }
    byte[] written = events;
    boolean tooEarly = false;
    if (!sabotage.equals(Sabotage.NONE)) {
      List<Event> decoded = EventCodec.decode(events);
      written = EventCodec.encode(sabotage.written(decoded));
      tooEarly = sabotage.durableTooEarly(decoded);
    }
    unsynced = written;
    boolean saidSo = tooEarly;
    int life = powerCuts;
    long takesUs = dice.between(weather.syncUs() / 4, weather.syncUs());
    if (!calm && dice.chance(weather.stallPerMyriad())) {
      takesUs *= STALL;
    }
    agenda.after(
        takesUs,
        "synced",
        log.size(),
        () -> {
          if (life != powerCuts) {
            return;
          }
          becomeDurable();
          if (!saidSo) {
            durable.run();
          }
        });
    if (tooEarly) {
      durable.run();
    }
  }

  private void becomeDurable() {
    byte[] batch = unsynced;
    if (batch == null) {
      throw new AssertionError("a sync without a write");
    }
    unsynced = null;
    log.add(batch);
    diary.bytes(batch);
    onDurable.accept(EventCodec.decode(batch));
  }

  /// The process dies, and with it what the system had not yet written: the log's unsynced batch is
  /// there, torn or gone, the archive's unsynced tail in part.
  void powerCut() {
    powerCuts++;
    if (unsynced != null) {
      if (dice.chance(5_000)) {
        becomeDurable();
      } else {
        unsynced = null;
      }
    }
    keep(entries, (int) dice.between(syncedEntries, entries.size()));
    keep(batches, (int) dice.between(syncedBatches, batches.size()));
  }

  private static void keep(List<?> some, int count) {
    some.subList(count, some.size()).clear();
  }

  /// Whether all that was appended is durable.
  boolean isSynced() {
    return unsynced == null;
  }

  /// Keeps a snapshot of the state after all that is durable, once the archive is safe.
  void snapshot(byte[] state) {
    syncedEntries = entries.size();
    syncedBatches = batches.size();
    snapshot = state;
    snapshotAt = log.size();
    diary.bytes(state);
  }

  /// The newest snapshot, if there is one.
  byte @Nullable [] snapshot() {
    return snapshot;
  }

  /// The batches after the newest snapshot, as the pool reads them.
  List<byte[]> tail() {
    return sabotage.reread(List.copyOf(log.subList(snapshotAt, log.size())));
  }

  /// All batches that ever became durable.
  List<byte[]> log() {
    return log;
  }

  @Override
  public void batch(SignedBatch b) {
    int n = Math.toIntExact(b.number());
    if (n >= auditor.batches().size() || !auditor.batches().get(n).equals(b)) {
      throw new Violation("batch " + n + " was archived and is not in the durable log");
    }
    if (n > batches.size()) {
      throw new Violation("batch " + n + " was archived after " + (batches.size() - 1));
    }
    if (n == batches.size()) {
      batches.add(b);
    }
  }

  @Override
  public void entry(Entry e) {
    int n = Math.toIntExact(e.index());
    if (n >= auditor.entries().size() || !auditor.entries().get(n).equals(e)) {
      throw new Violation("entry " + n + " was archived and is not in the durable log");
    }
    if (!sabotage.archives(e)) {
      return;
    }
    if (n > entries.size()) {
      throw new Violation("entry " + n + " was archived after " + (entries.size() - 1));
    }
    if (n == entries.size()) {
      entries.add(e);
    }
  }

  @Override
  public void movement(Movement m) {
    int n = Math.toIntExact(m.number());
    if (n > movements.size()) {
      throw new Violation("movement " + n + " was archived after " + (movements.size() - 1));
    }
    if (n == movements.size()) {
      movements.add(m);
    } else if (!movements.get(n).equals(m)) {
      throw new Violation("movement " + n + " is another when the log is replayed");
    }
  }

  /// The archive must hold all that the log says.
  void checkArchive() {
    if (!entries.equals(auditor.entries()) || !batches.equals(auditor.batches())) {
      throw new Violation(
          "the archive has "
              + entries.size()
              + " entries and "
              + batches.size()
              + " batches, the log "
              + auditor.entries().size()
              + " and "
              + auditor.batches().size());
    }
  }
}
