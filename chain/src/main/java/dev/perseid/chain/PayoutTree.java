package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Keccak;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The Merkle tree of what a pool owes: node for node OpenZeppelin's `StandardMerkleTree` of
/// `(address, uint256)`. A leaf is keccak256 twice over payee and amount, a node keccak256 of its
/// two children, the smaller first; leaves are sorted by their hash. Some 3 µs a payee. Immutable.
public final class PayoutTree {
  /// The children of node i are 2i + 1 and 2i + 2; leaves stand at the end, from the last back.
  private final Hash[] nodes;

  private final Map<Address, Integer> places = new HashMap<>();
  private final Map<Address, Long> amounts = new HashMap<>();

  private PayoutTree(Hash[] nodes) {
    this.nodes = nodes;
  }

  /// The tree of all that is due.
  ///
  /// @throws IllegalArgumentException if a payee stands twice or there are too many
  public static PayoutTree of(List<Due> dues) {
    int n = dues.size();
    if (n > Limits.DUES) {
      throw new IllegalArgumentException(
          n + " payees are too many for one tree of payouts: at most " + Limits.DUES);
    }
    record Leaf(Hash hash, Due due) {}
    List<Leaf> leaves = new ArrayList<>(n);
    for (Due due : dues) {
      leaves.add(new Leaf(leaf(due.payee(), due.cumulative()), due));
    }
    leaves.sort((a, b) -> a.hash().compareTo(b.hash()));
    Hash[] nodes = new Hash[Math.max(0, 2 * n - 1)];
    PayoutTree tree = new PayoutTree(nodes);
    for (int i = 0; i < n; i++) {
      Due due = leaves.get(i).due();
      int place = nodes.length - 1 - i;
      nodes[place] = leaves.get(i).hash();
      if (tree.places.put(due.payee(), place) != null) {
        throw new IllegalArgumentException("the payee " + due.payee() + " stands twice");
      }
      tree.amounts.put(due.payee(), due.cumulative());
    }
    for (int i = nodes.length - 1 - n; i >= 0; i--) {
      nodes[i] = pair(nodes[2 * i + 1], nodes[2 * i + 2]);
    }
    return tree;
  }

  static Hash leaf(Address payee, long cumulative) {
    byte[] value =
        ByteBuffer.allocate(64)
            .put(new byte[12])
            .put(payee.bytes())
            .put(new byte[24])
            .putLong(cumulative)
            .array();
    return Keccak.hash(Keccak.hash(value).bytes());
  }

  private static Hash pair(Hash a, Hash b) {
    boolean inOrder = a.compareTo(b) <= 0;
    byte[] both = new byte[64];
    (inOrder ? a : b).write(both, 0);
    (inOrder ? b : a).write(both, 32);
    return Keccak.hash(both);
  }

  /// Its root; zero if nothing is due to anybody.
  public Hash root() {
    return nodes.length == 0 ? Hash.ZERO : nodes[0];
  }

  /// What a payee is due by this tree, if it stands there.
  public Optional<Due> due(Address payee) {
    return Optional.ofNullable(amounts.get(payee)).map(amount -> new Due(payee, amount));
  }

  /// The hashes from a payee's leaf up to the root; nothing if it does not stand there.
  public Optional<List<Hash>> proof(Address payee) {
    Integer at = places.get(payee);
    if (at == null) {
      return Optional.empty();
    }
    List<Hash> path = new ArrayList<>();
    for (int i = at; i > 0; i = (i - 1) / 2) {
      path.add(nodes[i % 2 == 1 ? i + 1 : i - 1]);
    }
    return Optional.of(path);
  }

  /// Whether a proof leads from a due to a root.
  public static boolean proves(Due due, List<Hash> proof, Hash root) {
    Hash at = leaf(due.payee(), due.cumulative());
    for (Hash sibling : proof) {
      at = pair(at, sibling);
    }
    return at.equals(root);
  }

  @Override
  public String toString() {
    return "PayoutTree[" + places.size() + " payees, root " + root() + "]";
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof PayoutTree tree && Arrays.equals(nodes, tree.nodes);
  }

  @Override
  public int hashCode() {
    return root().hashCode();
  }
}
