package dev.perseid.journal;

import dev.perseid.core.Hash;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;

/// The Merkle tree of RFC 6962, section 2 (SHA-256): leaves are hashed with a 0 byte before them,
/// pairs of nodes with a 1, so that no leaf passes for a node. Pure functions over small lists; for
/// a log that grows see [MerkleTree].
public final class Merkle {
  /// The root of the tree without leaves: SHA-256 of nothing.
  public static final Hash EMPTY_ROOT = Hash.EMPTY_BLOB;

  private Merkle() {}

  /// SHA-256(0x00, data).
  public static Hash leafHash(byte[] data) {
    MessageDigest sha = sha256();
    sha.update((byte) 0);
    return Hash.of(sha.digest(data));
  }

  /// SHA-256(0x01, left, right).
  public static Hash nodeHash(Hash left, Hash right) {
    byte[] bytes = new byte[65];
    bytes[0] = 1;
    left.write(bytes, 1);
    right.write(bytes, 33);
    return Hash.of(sha256().digest(bytes));
  }

  /// The root over leaf hashes, in O(n).
  public static Hash root(List<Hash> leafHashes) {
    return leafHashes.isEmpty() ? EMPTY_ROOT : subtree(leafHashes, 0, leafHashes.size());
  }

  /// The root over digests that are the leaves' data: each is hashed as a leaf first.
  public static Hash rootOfDigests(List<Hash> digests) {
    return root(leafHashes(digests));
  }

  /// The leaf hashes of digests that are the leaves' data.
  public static List<Hash> leafHashes(List<Hash> digests) {
    List<Hash> leaves = new ArrayList<>(digests.size());
    byte[] data = new byte[33];
    MessageDigest sha = sha256();
    for (Hash digest : digests) {
      digest.write(data, 1);
      leaves.add(Hash.of(sha.digest(data)));
    }
    return leaves;
  }

  /// The inclusion proof of leaf `index` (RFC 6962, section 2.1.1), from the leaf upwards, in O(n).
  public static List<Hash> path(List<Hash> leafHashes, int index) {
    if (index < 0 || index >= leafHashes.size()) {
      throw new IndexOutOfBoundsException("leaf " + index + " of " + leafHashes.size());
    }
    List<Hash> path = new ArrayList<>();
    int from = 0;
    int to = leafHashes.size();
    while (to - from > 1) {
      int middle = from + Integer.highestOneBit(to - from - 1);
      if (index < middle) {
        path.add(subtree(leafHashes, middle, to));
        to = middle;
      } else {
        path.add(subtree(leafHashes, from, middle));
        from = middle;
      }
    }
    return path.reversed();
  }

  /// Whether `path` proves that the leaf stands at `index` in the tree of `size` leaves and the
  /// given root (RFC 9162, section 2.1.3.2). False for any malformed argument.
  public static boolean verify(Hash leafHash, long index, long size, List<Hash> path, Hash root) {
    if (index < 0 || index >= size || path.size() > Limits.PROOF_HASHES) {
      return false;
    }
    long node = index;
    long last = size - 1;
    Hash hash = leafHash;
    for (Hash sibling : path) {
      if (last == 0) {
        return false;
      }
      if ((node & 1) == 1 || node == last) {
        hash = nodeHash(sibling, hash);
        while ((node & 1) == 0 && node != 0) {
          node >>= 1;
          last >>= 1;
        }
      } else {
        hash = nodeHash(hash, sibling);
      }
      node >>= 1;
      last >>= 1;
    }
    return last == 0 && hash.equals(root);
  }

  /// The proof that the first `size` leaves are what they were (RFC 6962, section 2.1.2), in O(n).
  ///
  /// @param size of the older tree, at least 1
  public static List<Hash> consistency(List<Hash> leafHashes, int size) {
    if (size < 1 || size > leafHashes.size()) {
      throw new IndexOutOfBoundsException("size " + size + " of " + leafHashes.size());
    }
    List<Hash> proof = new ArrayList<>();
    int from = 0;
    int to = leafHashes.size();
    while (size != to) {
      int middle = from + Integer.highestOneBit(to - from - 1);
      if (size <= middle) {
        proof.add(subtree(leafHashes, middle, to));
        to = middle;
      } else {
        proof.add(subtree(leafHashes, from, middle));
        from = middle;
      }
    }
    if (from != 0) {
      proof.add(subtree(leafHashes, from, to));
    }
    return proof.reversed();
  }

  /// Whether `proof` proves that the tree of `newSize` leaves begins with the tree of `oldSize`
  /// (RFC 9162, section 2.1.4.2). False for any malformed argument; every tree begins with the
  /// empty one, which needs no proof.
  public static boolean verifyConsistency(
      long oldSize, Hash oldRoot, long newSize, Hash newRoot, List<Hash> proof) {
    if (oldSize < 0 || oldSize > newSize || proof.size() > Limits.PROOF_HASHES) {
      return false;
    }
    if (oldSize == newSize) {
      return proof.isEmpty() && oldRoot.equals(newRoot);
    }
    if (oldSize == 0) {
      return proof.isEmpty() && oldRoot.equals(EMPTY_ROOT);
    }
    List<Hash> hashes = proof;
    if (Long.bitCount(oldSize) == 1) {
      hashes = new ArrayList<>(proof.size() + 1);
      hashes.add(oldRoot);
      hashes.addAll(proof);
    }
    if (hashes.isEmpty()) {
      return false;
    }
    int shift = Long.numberOfTrailingZeros(~(oldSize - 1));
    long node = (oldSize - 1) >> shift;
    long last = (newSize - 1) >> shift;
    Hash old = hashes.getFirst();
    Hash young = old;
    for (Hash sibling : hashes.subList(1, hashes.size())) {
      if (last == 0) {
        return false;
      }
      if ((node & 1) == 1 || node == last) {
        old = nodeHash(sibling, old);
        young = nodeHash(sibling, young);
        while ((node & 1) == 0 && node != 0) {
          node >>= 1;
          last >>= 1;
        }
      } else {
        young = nodeHash(young, sibling);
      }
      node >>= 1;
      last >>= 1;
    }
    return last == 0 && old.equals(oldRoot) && young.equals(newRoot);
  }

  private static Hash subtree(List<Hash> leaves, int from, int to) {
    if (to - from == 1) {
      return leaves.get(from);
    }
    int middle = from + Integer.highestOneBit(to - from - 1);
    return nodeHash(subtree(leaves, from, middle), subtree(leaves, middle, to));
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }
}
