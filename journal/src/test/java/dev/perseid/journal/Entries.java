package dev.perseid.journal;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Entry;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Inference;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import dev.perseid.core.SignedBatch;
import dev.perseid.core.Usage;
import java.util.List;
import java.util.OptionalLong;

/// Entries for tests.
final class Entries {
  static final Address POOL = Address.parse("0x00000000000000000000000000000000000000aa");
  static final Address CONSUMER = Address.parse("0x00000000000000000000000000000000000000cc");
  static final long EPOCH_US = 1_700_000_000_000_000L;

  private Entries() {}

  static Address provider(int number) {
    return new Address(0, 0, number);
  }

  static JobId job(int number) {
    return JobId.of(CONSUMER, number);
  }

  /// Stands in for the canonical bytes, which the store does not look into.
  static byte[] canonical(Entry entry) {
    return entry.toString().getBytes(UTF_8);
  }

  static SignedBatch batch(long number, int digests) {
    return new SignedBatch(
        number,
        provider((int) number),
        java.util.stream.IntStream.range(0, digests)
            .mapToObj(i -> Hash.sha256(new byte[] {(byte) number, (byte) i}))
            .toList(),
        "ab".repeat(65));
  }

  /// A task that was done: `startMs` and `wallMs` after the epoch of the test.
  static Entry done(
      long index,
      int job,
      int task,
      String kind,
      int provider,
      long startMs,
      long wallMs,
      Integer... dependsOn) {
    return entry(
        index, job, task, kind, 1, provider, Outcome.DONE, startMs, wallMs, List.of(dependsOn));
  }

  static Entry entry(
      long index,
      int job,
      int task,
      String kind,
      int attempt,
      int provider,
      Outcome outcome,
      long startMs,
      long wallMs,
      List<Integer> dependsOn) {
    boolean ran = outcome != Outcome.LOST;
    OptionalLong none = OptionalLong.empty();
    Usage usage =
        ran
            ? new Usage(
                OptionalLong.of(1_000 * wallMs),
                OptionalLong.of(900_000 * wallMs),
                OptionalLong.of(1_000_000 * wallMs),
                OptionalLong.of(65_536),
                OptionalLong.of(100),
                OptionalLong.of(10),
                none,
                none,
                none,
                "")
            : Usage.UNMEASURED;
    return new Entry(
        index,
        EPOCH_US + (startMs + wallMs) * 1000 + 500,
        new ExecutionRecord(
            POOL,
            job(job),
            task,
            kind + "[" + task + "]",
            kind,
            attempt,
            index + 1,
            CONSUMER,
            provider(provider),
            Hash.ZERO,
            Hash.sha256(kind.getBytes(UTF_8)),
            Hash.EMPTY_BLOB,
            List.of(new Blob(Hash.sha256(new byte[] {1, (byte) task}), 100)),
            dependsOn,
            1_000_000,
            1 << 20,
            1,
            EPOCH_US,
            EPOCH_US + startMs * 1000 - 200,
            EPOCH_US + startMs * 1000 - 100,
            ran ? OptionalLong.of(EPOCH_US + startMs * 1000) : none,
            ran ? OptionalLong.of(EPOCH_US + (startMs + wallMs) * 1000) : none,
            outcome,
            outcome == Outcome.DONE ? "" : "it said \"no\", twice\nand left",
            usage,
            outcome == Outcome.DONE
                ? List.of(new Blob(Hash.sha256(new byte[] {2, (byte) task}), 10))
                : List.of(),
            "endive 1.0.0",
            "bubblewrap",
            outcome == Outcome.DONE ? 7 : 0),
        outcome == Outcome.LOST
            ? new Entry.Attestation.PoolOnly()
            : new Entry.Attestation.Signed(0, (int) index));
  }

  /// A request to a model that was answered.
  static Entry request(long index, OptionalLong firstTokenUs) {
    Entry done = done(index, 9, 0, "lab/model:1", 1, 100, 20);
    Inference inference =
        new Inference("chat", "q8_0", 100, 40, 30, 2, firstTokenUs, provider(77), 3, 1);
    return new Entry(
        index, done.recordedUs(), done.record().with(7, inference), done.attestation());
  }
}
