package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Keccak;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// The contract `Dispute`: two parties bisect a task's run to one step, and drawn arbiters judge it
/// (`docs/disputes.md`).
public final class Dispute {
  /// Into how many parts a move divides what is in dispute.
  public static final int WAYS = 16;

  /// How many arbiters there are.
  public static final int PANEL = 3;

  /// How far a dispute is, in the order of the contract.
  public enum Stage {
    NONE,
    CLAIM,
    CHOOSE,
    DIVIDE,
    DRAW,
    COMMIT,
    REVEAL,
    PROVIDER_WON,
    CHALLENGER_WON,
    UNDECIDED
  }

  /// A dispute as the contract has it.
  ///
  /// @param deadlineS until when the next move must be made, seconds since the epoch
  /// @param identity the provider's
  /// @param low the position at which both agree
  /// @param high that at which they differ; in [Stage#CLAIM] the most steps that may be claimed
  /// @param row hash of the checkpoints that the provider gave last; from [Stage#DRAW] on the
  ///   challenger's number
  /// @param record the digest of the record
  public record View(
      Address challenger,
      long deadlineS,
      Stage stage,
      int draws,
      Address identity,
      long low,
      long high,
      Hash lowHash,
      Hash highHash,
      Hash row,
      Hash record) {
    /// The inner bounds of the parts into which the provider divides it.
    public List<Long> bounds() {
      return Dispute.bounds(low, high);
    }
  }

  /// An arbiter and its vote.
  public record Ballot(Address identity, boolean committed, boolean revealed, Hash vote) {}

  /// What a provider signed: that a record's digest is in a batch.
  ///
  /// @param signature 65 bytes as hexadecimal digits
  public record Batch(Hash root, long count, long position, List<Hash> path, String signature) {
    private Abi abi() {
      return Abi.tuple(
          Abi.word(root),
          Abi.uint(count),
          Abi.uint(position),
          Abi.words(path),
          Abi.bytes(Token.signature(signature)));
    }
  }

  /// What a provider stakes.
  ///
  /// @param leavingAtS since when it is asked back; 0 if it is not
  /// @param held how many disputes and panels hold it
  public record Stake(BigInteger wei, long leavingAtS, long held, boolean hasHadSeat) {}

  private static final Hash DIVIDED = Abi.topic("Divided(bytes32,uint48,uint48,bytes32[])");

  private final Chain chain;
  private final Address address;

  /// The contract at an address.
  public Dispute(Chain chain, Address address) {
    this.chain = chain;
    this.address = address;
  }

  /// Where it is.
  public Address address() {
    return address;
  }

  // ---- to read ----------------------------------------------------------------------------------

  /// Whom it asks who is who.
  public Address registry(At at) throws ChainException {
    return chain.call(address, Abi.call("registry()"), at).address(0);
  }

  /// Wei that a challenger brings.
  public BigInteger bondWei(At at) throws ChainException {
    return chain.call(address, Abi.call("bond()"), at).uint(0);
  }

  /// Wei that an arbiter must have staked.
  public BigInteger seatWei(At at) throws ChainException {
    return chain.call(address, Abi.call("seatStake()"), at).uint(0);
  }

  /// A dispute; its stage is NONE if there is none.
  public View view(Hash id, At at) throws ChainException {
    AbiReader r = chain.call(address, Abi.call("caseOf(bytes32)", Abi.word(id)), at);
    long stage = r.small(2);
    if (stage >= Stage.values().length) {
      throw ChainException.untrusted("the contract gave a stage " + stage + " that is none");
    }
    return new View(
        r.address(0),
        r.small(1),
        Stage.values()[(int) stage],
        (int) r.small(3),
        r.address(4),
        r.small(5),
        r.small(6),
        r.word(7),
        r.word(8),
        r.word(9),
        r.word(10));
  }

  /// The arbiters, once they are drawn.
  public List<Ballot> panel(Hash id, At at) throws ChainException {
    AbiReader r = chain.call(address, Abi.call("panelOf(bytes32)", Abi.word(id)), at);
    List<Ballot> all = new ArrayList<>();
    for (int i = 0; i < PANEL; i++) {
      all.add(
          new Ballot(r.address(4 * i), r.bool(4 * i + 1), r.bool(4 * i + 2), r.word(4 * i + 3)));
    }
    return all;
  }

  /// The checkpoints that the provider gave last, found among the contract's events by their hash.
  ///
  /// @param from a block before which the dispute was not opened
  /// @return nothing if no event has them: the row is none, or the block is wrong
  public Optional<List<Hash>> row(Hash id, View view, long from) throws ChainException {
    Head head = chain.head();
    for (long end = head.number(); end >= from; end -= Limits.LOG_BLOCKS) {
      long start = Math.max(from, end - Limits.LOG_BLOCKS + 1);
      Head to = end == head.number() ? head : chain.block(end);
      for (Log log : chain.logs(address, List.of(DIVIDED), id, start, to).reversed()) {
        List<Hash> row = new AbiReader(log.data()).words(2);
        if (hash(row).equals(view.row())) {
          return Optional.of(row);
        }
      }
    }
    return Optional.empty();
  }

  /// A provider's stake.
  public Stake stake(Address identity, At at) throws ChainException {
    AbiReader r = chain.call(address, Abi.call("stakeOf(address)", Abi.address(identity)), at);
    return new Stake(r.uint(0), r.small(1), r.small(2), r.small(3) != 0);
  }

  /// Wei that an account may collect.
  public BigInteger owedWei(Address account, At at) throws ChainException {
    return chain.call(address, Abi.call("owedTo(address)", Abi.address(account)), at).uint(0);
  }

  /// The inner bounds of the parts into which a stretch of positions is divided.
  public static List<Long> bounds(long low, long high) {
    long ways = Math.min(WAYS, high - low);
    List<Long> all = new ArrayList<>();
    for (long i = 1; i < ways; i++) {
      all.add(low + (high - low) * i / ways);
    }
    return all;
  }

  /// The name of a dispute.
  public static Hash idOf(Hash record, Address challenger) {
    return Keccak.hash(Abi.encode(List.of(Abi.word(record), Abi.address(challenger))));
  }

  /// What an arbiter commits to.
  public static Hash commitmentOf(Hash id, Address identity, Hash vote, Hash salt) {
    return Keccak.hash(
        Abi.encode(List.of(Abi.word(id), Abi.address(identity), Abi.word(vote), Abi.word(salt))));
  }

  /// What hides the provider's number until the panel is drawn.
  public static Hash sealOf(Hash id, Hash number) {
    return Keccak.hash(Abi.encode(List.of(Abi.word(id), Abi.word(number))));
  }

  private static Hash hash(List<Hash> row) {
    byte[] bytes = new byte[32 * row.size()];
    for (int i = 0; i < row.size(); i++) {
      row.get(i).write(bytes, 32 * i);
    }
    return Keccak.hash(bytes);
  }

  // ---- to do ------------------------------------------------------------------------------------

  /// Stakes wei for a provider.
  public Call stake(Address identity, BigInteger wei) {
    return new Call(
        "stake for " + identity,
        Optional.of(address),
        wei,
        Abi.call("stake(address)", Abi.address(identity)));
  }

  /// Takes a seat among those from whom arbiters are drawn.
  public Call takeSeat(Address identity) {
    return one("take a seat as arbiter", "takeSeat(address)", Abi.address(identity));
  }

  /// Asks a stake back.
  public Call askBack(Address identity) {
    return one("ask a stake back", "askBack(address)", Abi.address(identity));
  }

  /// Takes a stake that was asked back.
  public Call withdraw(Address identity, Address to) {
    return one(
        "withdraw a stake", "withdraw(address,address)", Abi.address(identity), Abi.address(to));
  }

  /// Disputes the result in a record.
  ///
  /// @param words the record's `encodeData`
  /// @param outputs hashes of its outputs
  /// @param bondWei as [#bondWei] says
  public Call open(byte[] words, List<Hash> outputs, Batch batch, BigInteger bondWei) {
    return new Call(
        "open a dispute",
        Optional.of(address),
        bondWei,
        Abi.call(
            "open(bytes,bytes32[],(bytes32,uint64,uint64,bytes32[],bytes))",
            Abi.bytes(words),
            Abi.words(outputs),
            batch.abi()));
  }

  /// Says how many steps there were, and divides.
  ///
  /// @param seal as [#sealOf] makes it
  public Call claim(Hash id, long steps, List<Hash> checkpoints, Hash seal) {
    return one(
        "claim " + steps + " steps",
        "claim(bytes32,uint48,bytes32[],bytes32)",
        Abi.word(id),
        Abi.uint(steps),
        Abi.words(checkpoints),
        Abi.word(seal));
  }

  /// Divides what is in dispute.
  public Call divide(Hash id, List<Hash> checkpoints) {
    return one(
        "divide what is in dispute",
        "divide(bytes32,bytes32[])",
        Abi.word(id),
        Abi.words(checkpoints));
  }

  /// Chooses a part of what the provider gave.
  ///
  /// @param number one that nobody can guess: a half of what draws the panel
  public Call choose(Hash id, int way, List<Hash> checkpoints, Hash number) {
    return one(
        "choose part " + way,
        "choose(bytes32,uint256,bytes32[],bytes32)",
        Abi.word(id),
        Abi.uint(way),
        Abi.words(checkpoints),
        Abi.word(number));
  }

  /// Ends a dispute whose next party stayed silent.
  public Call timeout(Hash id) {
    return one("end a dispute by silence", "timeout(bytes32)", Abi.word(id));
  }

  /// Draws the arbiters.
  ///
  /// @param number the one that the provider sealed
  public Call draw(Hash id, Hash number) {
    return one("draw the arbiters", "draw(bytes32,bytes32)", Abi.word(id), Abi.word(number));
  }

  /// Commits to a vote.
  public Call commit(Hash id, int place, Hash commitment) {
    return one(
        "commit to a vote",
        "commit(bytes32,uint256,bytes32)",
        Abi.word(id),
        Abi.uint(place),
        Abi.word(commitment));
  }

  /// Shows a vote.
  public Call reveal(Hash id, int place, Hash vote, Hash salt) {
    return one(
        "reveal a vote",
        "reveal(bytes32,uint256,bytes32,bytes32)",
        Abi.word(id),
        Abi.uint(place),
        Abi.word(vote),
        Abi.word(salt));
  }

  /// Counts the votes when the time for them is over.
  public Call count(Hash id) {
    return one("count the votes", "count(bytes32)", Abi.word(id));
  }

  /// Sends an account what is its own.
  public Call collect(Address account) {
    return one("collect", "collect(address)", Abi.address(account));
  }

  private Call one(String what, String signature, Abi... arguments) {
    return Call.to(address, what, Abi.call(signature, arguments));
  }
}
