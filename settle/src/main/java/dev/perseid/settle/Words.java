package dev.perseid.settle;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/// The `encodeData` of an EIP-712 struct while it is being written: words of 32 bytes. Each method
/// appends one word. Made for one struct, used by one thread.
final class Words {
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

  private static final Hash EMPTY = Keccak.hash(new byte[0]);

  /// Hashes of strings that come again and again (kinds, engines, reasons). A slot holds the last
  /// string that fell into it, so the size is bounded and a race costs one hash at worst.
  private static final AtomicReferenceArray<Known> KNOWN =
      new AtomicReferenceArray<>(Limits.KNOWN_STRINGS);

  private record Known(String text, Hash hash) {}

  private final byte[] buffer;
  private final @Nullable KeccakBatch batch;
  private int at;

  /// Room for exactly `words` words.
  Words(int words) {
    this(words, null);
  }

  /// Room for exactly `words` words. Hashes of what is appended come when the batch runs, if there
  /// is one.
  Words(int words, @Nullable KeccakBatch batch) {
    this.buffer = new byte[words * 32];
    this.batch = batch;
  }

  /// bytes32.
  Words hash(Hash value) {
    value.write(buffer, at);
    at += 32;
    return this;
  }

  /// address: right-aligned.
  Words address(Address value) {
    // 12 zero bytes, then 20.
    LONG.set(buffer, at + 12, value.a());
    LONG.set(buffer, at + 20, value.b());
    int c = value.c();
    buffer[at + 28] = (byte) (c >>> 24);
    buffer[at + 29] = (byte) (c >>> 16);
    buffer[at + 30] = (byte) (c >>> 8);
    buffer[at + 31] = (byte) c;
    at += 32;
    return this;
  }

  /// bytes16: left-aligned.
  Words job(JobId value) {
    LONG.set(buffer, at, value.a());
    LONG.set(buffer, at + 8, value.b());
    at += 32;
    return this;
  }

  /// uint64: the 64 bits as they are.
  Words uint64(long value) {
    LONG.set(buffer, at + 24, value);
    at += 32;
    return this;
  }

  /// uint32: the 32 bits as they are.
  Words uint32(int value) {
    return uint64(value & 0xffff_ffffL);
  }

  /// string: the hash of its UTF-8.
  Words string(String value) {
    return value.isEmpty() ? hash(EMPTY) : hashOf(value.getBytes(UTF_8));
  }

  /// The hash of a message.
  private Words hashOf(byte[] message) {
    if (batch == null) {
      return hash(Keccak.hash(message));
    }
    batch.add(message, buffer, at);
    at += 32;
    return this;
  }

  /// A struct that is a member: its hash.
  Words struct(Words member) {
    return hashOf(member.whole());
  }

  /// string, expected to come again: its hash is remembered.
  Words knownString(String value) {
    if (value.isEmpty()) {
      return hash(EMPTY);
    }
    int slot = (value.hashCode() * 0x9E3779B9) >>> (32 - Limits.KNOWN_STRINGS_LOG2);
    Known known = KNOWN.get(slot);
    if (known == null || !known.text.equals(value)) {
      known = new Known(value, Keccak.hash(value.getBytes(UTF_8)));
      KNOWN.set(slot, known);
    }
    return hash(known.hash);
  }

  /// bytes32[] of the blobs' hashes, then uint64[] of their sizes: two words.
  Words blobs(List<Blob> blobs) {
    int n = blobs.size();
    if (n == 0) {
      return hash(EMPTY).hash(EMPTY);
    }
    Words hashes = new Words(n);
    Words sizes = new Words(n);
    for (Blob b : blobs) {
      hashes.hash(b.hash());
      sizes.uint64(b.sizeBytes());
    }
    return struct(hashes).struct(sizes);
  }

  /// uint32[].
  Words uint32s(List<Integer> values) {
    if (values.isEmpty()) {
      return hash(EMPTY);
    }
    Words words = new Words(values.size());
    for (int v : values) {
      words.uint32(v);
    }
    return struct(words);
  }

  /// Keccak-256 of the words, all of which must have been written.
  Hash keccak() {
    return Keccak.hash(whole());
  }

  /// The words, all of which must have been written.
  byte[] whole() {
    if (at != buffer.length) {
      throw new IllegalStateException(at / 32 + " words written of " + buffer.length / 32);
    }
    return buffer;
  }
}
