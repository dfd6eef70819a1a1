package dev.perseid.journal;

import dev.perseid.core.Hash;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;

/// An RFC 6962 tree that grows by leaves. It keeps the complete subtrees' roots in the order in
/// which they come to be: each leaf is followed by the nodes that it completes. So the tree is an
/// append-only sequence of hashes, 64 bytes a leaf, in which each node's place follows from its
/// level and number; a tree of any size up to the present one can be read from it, and opening one
/// of a million leaves reads twenty hashes.
///
/// One thread appends; any number read at the same time.
public final class MerkleTree {
  private final Nodes nodes;

  /// Roots of the complete subtrees of the present tree, from the largest (the writer's).
  private final ArrayList<Hash> frontier = new ArrayList<>();

  private volatile long size;

  /// An empty tree in memory.
  public MerkleTree() {
    this(new HeapNodes(), 0);
  }

  /// The tree of the first `size` leaves that `nodes` holds.
  MerkleTree(Nodes nodes, long size) {
    this.nodes = nodes;
    this.size = size;
    nodes.truncate(nodesOf(size));
    long begin = 0;
    for (long rest = size; rest != 0; ) {
      int level = 63 - Long.numberOfLeadingZeros(rest);
      frontier.add(node(level, begin >> level));
      begin += 1L << level;
      rest -= 1L << level;
    }
  }

  /// How many hashes a tree of `size` leaves keeps.
  static long nodesOf(long size) {
    return 2 * size - Long.bitCount(size);
  }

  /// Appends a leaf; O(1) amortised.
  public void append(Hash leafHash) {
    long leaf = size;
    int completed = Long.numberOfTrailingZeros(~leaf);
    Hash hash = leafHash;
    nodes.append(hash);
    for (int i = 0; i < completed; i++) {
      hash = Merkle.nodeHash(frontier.removeLast(), hash);
      nodes.append(hash);
    }
    frontier.add(hash);
    size = leaf + 1;
  }

  /// How many leaves.
  public long size() {
    return size;
  }

  /// The hash of leaf `index`.
  public Hash leaf(long index) {
    check(index >= 0 && index < size, "leaf " + index);
    return node(0, index);
  }

  /// The present root.
  public Hash root() {
    return root(size);
  }

  /// The root when the tree had `atSize` leaves; O(log n).
  public Hash root(long atSize) {
    check(atSize >= 0 && atSize <= size, "size " + atSize);
    return atSize == 0 ? Merkle.EMPTY_ROOT : subtree(0, atSize);
  }

  /// The inclusion proof of leaf `index` in the tree of the first `atSize` leaves; O(log² n), with
  /// O(log n) hashes read.
  public List<Hash> path(long index, long atSize) {
    check(atSize >= 0 && atSize <= size, "size " + atSize);
    check(index >= 0 && index < atSize, "leaf " + index);
    List<Hash> path = new ArrayList<>();
    long from = 0;
    long to = atSize;
    while (to - from > 1) {
      long middle = from + Long.highestOneBit(to - from - 1);
      if (index < middle) {
        path.add(subtree(middle, to));
        to = middle;
      } else {
        path.add(subtree(from, middle));
        from = middle;
      }
    }
    return path.reversed();
  }

  /// The proof that the tree of `newSize` leaves begins with that of `oldSize`; empty for 0.
  public List<Hash> consistency(long oldSize, long newSize) {
    check(newSize >= 0 && newSize <= size, "size " + newSize);
    check(oldSize >= 0 && oldSize <= newSize, "size " + oldSize);
    List<Hash> proof = new ArrayList<>();
    if (oldSize == 0) {
      return proof;
    }
    long from = 0;
    long to = newSize;
    while (oldSize != to) {
      long middle = from + Long.highestOneBit(to - from - 1);
      if (oldSize <= middle) {
        proof.add(subtree(middle, to));
        to = middle;
      } else {
        proof.add(subtree(from, middle));
        from = middle;
      }
    }
    if (from != 0) {
      proof.add(subtree(from, to));
    }
    return proof.reversed();
  }

  /// The root over leaves `from` to `to`, where `from` is a multiple of the smallest power of two
  /// that is not below `to - from`.
  private Hash subtree(long from, long to) {
    long width = to - from;
    if (Long.bitCount(width) == 1) {
      int level = Long.numberOfTrailingZeros(width);
      return node(level, from >> level);
    }
    long middle = from + Long.highestOneBit(width);
    return Merkle.nodeHash(subtree(from, middle), subtree(middle, to));
  }

  /// The root of complete subtree `number` of the given level. It stands `level` places after its
  /// last leaf, before which come two nodes for each leaf less one for each bit.
  private Hash node(int level, long number) {
    long lastLeaf = ((number + 1) << level) - 1;
    return nodes.get(nodesOf(lastLeaf) + level);
  }

  private void check(boolean inside, String what) {
    if (!inside) {
      throw new IndexOutOfBoundsException(what + " is outside a tree of " + size + " leaves");
    }
  }

  /// An append-only sequence of hashes.
  sealed interface Nodes permits HeapNodes, FileNodes {
    void append(Hash hash);

    Hash get(long index);

    void truncate(long count);
  }

  /// Hashes in memory, in chunks, so that none is ever copied while others read.
  static final class HeapNodes implements Nodes {
    private static final int CHUNK_LOG2 = 12;
    private static final int CHUNK = 1 << CHUNK_LOG2;

    private volatile long[][] chunks = new long[4][];
    private long count;

    @Override
    public void append(Hash hash) {
      int chunk = Math.toIntExact(count >> CHUNK_LOG2);
      if (chunk == chunks.length) {
        chunks = java.util.Arrays.copyOf(chunks, chunk * 2);
      }
      if (chunks[chunk] == null) {
        chunks[chunk] = new long[CHUNK * 4];
      }
      int at = ((int) count & (CHUNK - 1)) * 4;
      long[] words = chunks[chunk];
      words[at] = hash.a();
      words[at + 1] = hash.b();
      words[at + 2] = hash.c();
      words[at + 3] = hash.d();
      count++;
    }

    @Override
    public Hash get(long index) {
      long[] words = chunks[(int) (index >> CHUNK_LOG2)];
      int at = ((int) index & (CHUNK - 1)) * 4;
      return new Hash(words[at], words[at + 1], words[at + 2], words[at + 3]);
    }

    @Override
    public void truncate(long to) {
      count = Math.min(count, to);
    }
  }

  /// Hashes in a file.
  static final class FileNodes implements Nodes {
    private final AppendFile file;
    private final byte[] one = new byte[32];

    FileNodes(AppendFile file) {
      this.file = file;
    }

    @Override
    public void append(Hash hash) {
      hash.write(one, 0);
      file.append(one, 32);
    }

    @Override
    public Hash get(long index) {
      try {
        byte[] hash = new byte[32];
        file.read(index * 32, hash, 32);
        return Hash.of(hash);
      } catch (IOException e) {
        throw new UncheckedIOException("cannot read the tree of " + file, e);
      }
    }

    @Override
    public void truncate(long count) {
      try {
        file.truncate(count * 32);
      } catch (IOException e) {
        throw new UncheckedIOException("cannot truncate the tree of " + file, e);
      }
    }
  }
}
