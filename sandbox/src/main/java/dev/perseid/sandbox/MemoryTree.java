package dev.perseid.sandbox;

import dev.perseid.core.Hash;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import run.endive.runtime.Memory;

/// The Merkle tree over a task's memory: 2^19 leaves, one for each 4 KiB that a memory could have,
/// those beyond its size all zero. A leaf is SHA-256(0x00, page), a node SHA-256(0x01, left,
/// right). So growing a memory changes nothing in the tree, and a page is shown by 19 hashes.
final class MemoryTree {
  static final int PAGE_BYTES = 4_096;
  static final int DEPTH = 19;
  private static final int PAGES_PER_WASM_PAGE = Limits.PAGE_BYTES / PAGE_BYTES;

  /// Roots of trees over zeros, by height.
  private static final Hash[] ZEROS = zeros();

  private final MessageDigest sha256 = sha256();
  private final Memory memory;
  private final int leaves;

  private MemoryTree(Memory memory) {
    this.memory = memory;
    this.leaves = memory.pages() * PAGES_PER_WASM_PAGE;
  }

  /// The root. Costs a hash of each page that is not zero, and 19 nodes for each at most.
  static Hash root(Memory memory) {
    return new MemoryTree(memory).node(0, DEPTH);
  }

  private Hash node(int first, int height) {
    if (first >= leaves) {
      return ZEROS[height];
    }
    if (height == 0) {
      byte[] page = memory.readBytes(first * PAGE_BYTES, PAGE_BYTES);
      return isZero(page) ? ZEROS[0] : leaf(sha256, page);
    }
    Hash left = node(first, height - 1);
    Hash right = node(first + (1 << (height - 1)), height - 1);
    return left.equals(ZEROS[height - 1]) && right.equals(ZEROS[height - 1])
        ? ZEROS[height]
        : node(sha256, left, right);
  }

  /// Whether a page is as a fresh memory has it.
  static boolean isZero(byte[] page) {
    return Arrays.equals(page, ZERO_PAGE);
  }

  private static final byte[] ZERO_PAGE = new byte[PAGE_BYTES];

  private static Hash leaf(MessageDigest sha256, byte[] page) {
    sha256.update((byte) 0);
    return Hash.of(sha256.digest(page));
  }

  private static Hash node(MessageDigest sha256, Hash left, Hash right) {
    sha256.update((byte) 1);
    sha256.update(left.bytes());
    return Hash.of(sha256.digest(right.bytes()));
  }

  private static Hash[] zeros() {
    MessageDigest sha256 = sha256();
    Hash[] all = new Hash[DEPTH + 1];
    Hash last = leaf(sha256, new byte[PAGE_BYTES]);
    all[0] = last;
    for (int height = 1; height <= DEPTH; height++) {
      last = node(sha256, last, last);
      all[height] = last;
    }
    return all;
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }
}
