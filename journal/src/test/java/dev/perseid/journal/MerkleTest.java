package dev.perseid.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Hash;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class MerkleTest {
  /// RFC 6962, section 2.1, word for word.
  private static Hash naiveRoot(List<Hash> d) {
    if (d.isEmpty()) {
      return Hash.sha256(new byte[0]);
    }
    if (d.size() == 1) {
      return d.getFirst();
    }
    int k = 1;
    while (k * 2 < d.size()) {
      k *= 2;
    }
    return Merkle.nodeHash(naiveRoot(d.subList(0, k)), naiveRoot(d.subList(k, d.size())));
  }

  /// PATH(m, D[n]) of section 2.1.1.
  private static List<Hash> naivePath(int m, List<Hash> d) {
    if (d.size() == 1) {
      return new ArrayList<>();
    }
    int k = 1;
    while (k * 2 < d.size()) {
      k *= 2;
    }
    List<Hash> path;
    if (m < k) {
      path = naivePath(m, d.subList(0, k));
      path.add(naiveRoot(d.subList(k, d.size())));
    } else {
      path = naivePath(m - k, d.subList(k, d.size()));
      path.add(naiveRoot(d.subList(0, k)));
    }
    return path;
  }

  /// SUBPROOF(m, D[n], b) of section 2.1.2.
  private static List<Hash> naiveConsistency(int m, List<Hash> d, boolean whole) {
    if (m == d.size()) {
      return whole ? new ArrayList<>() : new ArrayList<>(List.of(naiveRoot(d)));
    }
    int k = 1;
    while (k * 2 < d.size()) {
      k *= 2;
    }
    List<Hash> proof;
    if (m <= k) {
      proof = naiveConsistency(m, d.subList(0, k), whole);
      proof.add(naiveRoot(d.subList(k, d.size())));
    } else {
      proof = naiveConsistency(m - k, d.subList(k, d.size()), false);
      proof.add(naiveRoot(d.subList(0, k)));
    }
    return proof;
  }

  private static List<Hash> leaves(int n, Random random) {
    List<Hash> leaves = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      byte[] data = new byte[random.nextInt(100)];
      random.nextBytes(data);
      leaves.add(Merkle.leafHash(data));
    }
    return leaves;
  }

  @Test
  void agreesWithTheVectorsOfCertificateTransparency() {
    String[] inputs = {
      "",
      "00",
      "10",
      "2021",
      "3031",
      "40414243",
      "5051525354555657",
      "606162636465666768696a6b6c6d6e6f"
    };
    String[] roots = {
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    };
    assertThat(Merkle.root(List.of()).hex())
        .isEqualTo("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    List<Hash> leaves = new ArrayList<>();
    MerkleTree tree = new MerkleTree();
    assertThat(tree.root()).isEqualTo(Merkle.EMPTY_ROOT);
    for (int i = 0; i < inputs.length; i++) {
      leaves.add(Merkle.leafHash(HexFormat.of().parseHex(inputs[i])));
      tree.append(leaves.getLast());
      assertThat(Merkle.root(leaves).hex()).isEqualTo(roots[i]);
      assertThat(tree.root().hex()).isEqualTo(roots[i]);
    }
    assertThat(Merkle.path(leaves, 0).stream().map(Hash::hex))
        .containsExactly(
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4");
  }

  @Test
  void agreesWithTheStandardAtAllSmallSizes() {
    long seed = 1_017;
    List<Hash> all = leaves(64, new Random(seed));
    MerkleTree tree = new MerkleTree();
    all.forEach(tree::append);
    for (int n = 1; n <= 64; n++) {
      List<Hash> d = all.subList(0, n);
      Hash root = naiveRoot(d);
      assertThat(Merkle.root(d)).isEqualTo(root);
      assertThat(tree.root(n)).as("seed %d size %d", seed, n).isEqualTo(root);
      for (int m = 0; m < n; m++) {
        List<Hash> path = naivePath(m, d);
        assertThat(Merkle.path(d, m)).isEqualTo(path);
        assertThat(tree.path(m, n)).as("seed %d leaf %d of %d", seed, m, n).isEqualTo(path);
        assertThat(Merkle.verify(d.get(m), m, n, path, root)).isTrue();
        // Neither at another place nor in a tree of another size.
        assertThat(Merkle.verify(d.get(m), m == 0 ? 1 : m - 1, n, path, root)).isFalse();
        assertThat(n > 1 && Merkle.verify(all.get(63 - m), m, n, path, root)).isFalse();
      }
      for (int m = 1; m <= n; m++) {
        List<Hash> proof = naiveConsistency(m, d, true);
        assertThat(Merkle.consistency(d, m)).isEqualTo(proof);
        assertThat(tree.consistency(m, n)).as("seed %d %d of %d", seed, m, n).isEqualTo(proof);
        Hash old = naiveRoot(d.subList(0, m));
        assertThat(Merkle.verifyConsistency(m, old, n, root, proof)).isTrue();
        assertThat(Merkle.verifyConsistency(m, Hash.ZERO, n, root, proof)).isFalse();
        assertThat(Merkle.verifyConsistency(m, old, n, Hash.ZERO, proof)).isFalse();
      }
    }
  }

  @Test
  void agreesWithTheStandardAtLargeSizes() {
    long seed = 1_018;
    Random random = new Random(seed);
    List<Hash> all = leaves(20_000, random);
    MerkleTree tree = new MerkleTree();
    all.forEach(tree::append);
    for (int i = 0; i < 15; i++) {
      int n = 1 + random.nextInt(all.size());
      int m = random.nextInt(n);
      List<Hash> d = all.subList(0, n);
      Hash root = naiveRoot(d);
      assertThat(tree.root(n)).as("seed %d", seed).isEqualTo(root);
      List<Hash> path = tree.path(m, n);
      assertThat(path).as("seed %d", seed).isEqualTo(naivePath(m, d));
      assertThat(Merkle.verify(d.get(m), m, n, path, root)).as("seed %d", seed).isTrue();
      List<Hash> proof = tree.consistency(m + 1, n);
      assertThat(proof).as("seed %d", seed).isEqualTo(naiveConsistency(m + 1, d, true));
      assertThat(Merkle.verifyConsistency(m + 1, tree.root(m + 1), n, root, proof))
          .as("seed %d", seed)
          .isTrue();
    }
  }

  @Test
  void tamperedProofsFail() {
    long seed = 1_019;
    Random random = new Random(seed);
    for (int i = 0; i < 300; i++) {
      int n = 2 + random.nextInt(200);
      int m = random.nextInt(n);
      List<Hash> d = leaves(n, random);
      Hash root = Merkle.root(d);
      List<Hash> path = new ArrayList<>(Merkle.path(d, m));
      Hash leaf = d.get(m);
      int where = random.nextInt(path.size());
      List<Hash> changed = new ArrayList<>(path);
      changed.set(where, Hash.sha256(changed.get(where).bytes()));
      List<Hash> shorter = new ArrayList<>(path);
      shorter.remove(where);
      List<Hash> longer = new ArrayList<>(path);
      longer.add(where, Hash.ZERO);
      for (List<Hash> bad : List.of(changed, shorter, longer)) {
        assertThat(Merkle.verify(leaf, m, n, bad, root)).as("seed %d", seed).isFalse();
      }
      assertThat(Merkle.verify(Hash.ZERO, m, n, path, root)).as("seed %d", seed).isFalse();
      // A node must not pass for a leaf of a smaller tree.
      Hash parent =
          (m & 1) == 0
              ? Merkle.nodeHash(leaf, path.getFirst())
              : Merkle.nodeHash(path.getFirst(), leaf);
      assertThat(Merkle.leafHash(parent.bytes())).isNotEqualTo(parent);
    }
    Hash leaf = Merkle.leafHash(new byte[] {1});
    assertThat(Merkle.verify(leaf, 0, 1, List.of(), leaf)).isTrue();
    assertThat(Merkle.verify(leaf, -1, 1, List.of(), leaf)).isFalse();
    assertThat(Merkle.verify(leaf, 1, 1, List.of(), leaf)).isFalse();
    assertThat(Merkle.verify(leaf, 0, 0, List.of(), leaf)).isFalse();
    assertThat(Merkle.verify(leaf, 0, Long.MAX_VALUE, List.of(), leaf)).isFalse();
    List<Hash> endless = java.util.Collections.nCopies(100_000, leaf);
    assertThat(Merkle.verify(leaf, 0, Long.MAX_VALUE, endless, leaf)).isFalse();
    assertThat(Merkle.verifyConsistency(0, Merkle.EMPTY_ROOT, 1, leaf, List.of())).isTrue();
    assertThat(Merkle.verifyConsistency(2, leaf, 1, leaf, List.of())).isFalse();
    assertThat(Merkle.verifyConsistency(1, leaf, 1, leaf, List.of(leaf))).isFalse();
    assertThat(Merkle.verifyConsistency(3, leaf, 9, leaf, List.of())).isFalse();
  }

  @Test
  void digestsAreHashedAsLeaves() {
    List<Hash> digests = List.of(Hash.sha256(new byte[] {1}), Hash.sha256(new byte[] {2}));
    assertThat(Merkle.rootOfDigests(digests))
        .isEqualTo(Merkle.root(digests.stream().map(h -> Merkle.leafHash(h.bytes())).toList()));
  }

  @Test
  void asksOutsideTheTreeAreRefused() {
    MerkleTree tree = new MerkleTree();
    tree.append(Hash.ZERO);
    assertThat(tree.leaf(0)).isEqualTo(Hash.ZERO);
    assertThatThrownBy(() -> tree.leaf(1)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> tree.root(2)).hasMessageContaining("a tree of 1 leaves");
    assertThatThrownBy(() -> tree.path(1, 1)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> tree.consistency(2, 1)).isInstanceOf(IndexOutOfBoundsException.class);
  }
}
