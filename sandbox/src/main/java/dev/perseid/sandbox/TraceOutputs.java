package dev.perseid.sandbox;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Outputs of a run that is only looked at: their hashes so far, and their bytes where the state is
/// to be kept.
final class TraceOutputs implements HostCalls.Outputs {
  private final MessageDigest[] digests;
  private final long[] sizes;
  private final @Nullable ByteArrayOutputStream @Nullable [] bytes;
  private long total;

  TraceOutputs(int count, boolean keep) {
    digests = new MessageDigest[count];
    sizes = new long[count];
    bytes = keep ? new ByteArrayOutputStream[count] : null;
    for (int k = 0; k < count; k++) {
      digests[k] = MemoryTree.sha256();
    }
  }

  @Override
  public void append(int index, byte[] from, int n) {
    digests[index].update(from, 0, n);
    sizes[index] += n;
    total += n;
    if (bytes != null && total <= Limits.TRACE_OUTPUT_BYTES) {
      ByteArrayOutputStream some = bytes[index];
      if (some == null) {
        some = new ByteArrayOutputStream(n);
        bytes[index] = some;
      }
      some.write(from, 0, n);
    }
  }

  /// Hash and size of each so far.
  List<Blob> blobs() {
    List<Blob> all = new ArrayList<>(sizes.length);
    for (int k = 0; k < sizes.length; k++) {
      try {
        MessageDigest copy = (MessageDigest) digests[k].clone();
        all.add(new Blob(Hash.of(copy.digest()), sizes[k]));
      } catch (CloneNotSupportedException e) {
        throw new AssertionError("the JDK's SHA-256 can be cloned", e);
      }
    }
    return all;
  }

  /// Whether all bytes are at hand: outputs that are too large for a state are not.
  boolean areWhole() {
    return bytes != null && total <= Limits.TRACE_OUTPUT_BYTES;
  }

  /// @throws IllegalStateException if not all bytes are at hand
  void write(DataOutputStream out) throws IOException {
    if (bytes == null || !areWhole()) {
      throw new IllegalStateException("the outputs are not at hand");
    }
    out.writeInt(sizes.length);
    for (int k = 0; k < sizes.length; k++) {
      out.writeLong(sizes[k]);
      ByteArrayOutputStream some = bytes[k];
      if (some != null) {
        some.writeTo(out);
      }
    }
  }

  void read(DataInputStream in) throws IOException {
    if (in.readInt() != sizes.length) {
      throw new MachineState.Damaged("has another number of outputs");
    }
    for (int k = 0; k < sizes.length; k++) {
      long size = in.readLong();
      if (size < 0 || size > Limits.TRACE_OUTPUT_BYTES - total) {
        throw new MachineState.Damaged("has outputs that are too large");
      }
      for (long left = size; left > 0; ) {
        byte[] some = in.readNBytes((int) Math.min(left, 1 << 16));
        if (some.length == 0) {
          throw new MachineState.Damaged("is cut short");
        }
        append(k, some, some.length);
        left -= some.length;
      }
    }
  }
}
