package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.ModelOffer;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Keccak;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The contract `Court`: decides frauds by proof (`docs/contracts.md`).
public final class Court {
  /// Something that a pool said of its log: a signed tree head, or what it committed in an epoch.
  public sealed interface Statement {
    /// The key that signs the log.
    Address log();

    /// How many entries the log had.
    long size();

    /// Their root.
    Hash root();

    /// A tree head.
    ///
    /// @param log the key that signed it
    /// @param signature 65 bytes as hexadecimal digits
    record Signed(Address log, long size, Hash root, long timeUs, String signature)
        implements Statement {}

    /// A commitment of one of a pool's last eight epochs.
    record Committed(Address pool, long epoch, Commitment commitment) implements Statement {
      @Override
      public Address log() {
        return commitment.log();
      }

      @Override
      public long size() {
        return commitment.recordsSize();
      }

      @Override
      public Hash root() {
        return commitment.recordsRoot();
      }
    }

    private Abi abi() {
      return switch (this) {
        case Signed s ->
            Abi.tuple(
                Abi.address(s.log()),
                Abi.uint(s.size()),
                Abi.word(s.root()),
                Abi.uint(s.timeUs()),
                Abi.bytes(Token.signature(s.signature())),
                Abi.address(Address.ZERO),
                Abi.uint(0),
                Abi.word(Hash.ZERO));
        case Committed(Address pool, long epoch, Commitment c) ->
            Abi.tuple(
                Abi.address(c.log()),
                Abi.uint(c.recordsSize()),
                Abi.word(c.recordsRoot()),
                Abi.uint(0),
                Abi.bytes(new byte[0]),
                Abi.address(pool),
                Abi.uint(epoch),
                Abi.word(c.payoutRoot()));
      };
    }
  }

  /// That a leaf stands at an index of a tree (RFC 6962).
  public record Inclusion(long index, Hash leaf, List<Hash> path) {
    private Abi abi() {
      return Abi.tuple(Abi.uint(index), Abi.word(leaf), Abi.words(path));
    }
  }

  /// A case that was decided.
  public record Verdict(Address identity, int permille, long enforceUntilS, Address reporter) {}

  /// Where the asking for an entry stands.
  public enum Stage {
    NONE,
    /// Nobody has answered, in time or not.
    OPEN,
    ANSWERED,
    /// The pool was convicted.
    LOST
  }

  /// That somebody asked for an entry.
  public record Challenge(Address identity, long deadlineS, Stage stage, Address challenger) {}

  /// What the court was asked for, as it told then.
  ///
  /// @param evidence the case's name
  /// @param log the key that signs the log
  public record Asked(
      Address identity, Hash evidence, Address log, long index, Hash leaf, long deadlineS) {}

  /// How long a pool has to show an entry.
  public static final long ANSWER_TIME_S = 4 * 24 * 3_600;

  /// After the deadline and so long an entry that was shown can be asked for again.
  public static final long ASK_AGAIN_AFTER_S = 8 * 24 * 3_600;

  private static final Hash CHALLENGED =
      Abi.topic("Challenged(address,bytes32,address,uint64,bytes32,uint64)");
  private static final Hash CONVICTED = Abi.topic("Convicted(address,bytes32,uint256,address)");

  private static final String STATEMENT =
      "(address,uint64,bytes32,uint64,bytes,address,uint64,bytes32)";
  private static final String OFFER =
      "(address,bytes32,string,string,string,uint64,uint64,uint64,uint64,uint64,uint32,uint32,"
          + "uint32,uint32,string,bytes32,string,uint64,uint256)";
  private static final String INCLUSION = "(uint64,bytes32,bytes32[])";

  private final Chain chain;
  private final Address address;

  /// The court at an address.
  public Court(Chain chain, Address address) {
    this.chain = chain;
    this.address = address;
  }

  /// Where it is.
  public Address address() {
    return address;
  }

  /// Has the chain check that a statement was made and that a leaf stands in its tree. Free.
  ///
  /// @return the identity that answers for it
  /// @throws ChainException of kind `REVERTED` if not, with what is wrong
  public Address verify(Statement head, Inclusion where, At at) throws ChainException {
    return chain
        .call(
            address,
            Abi.call("verify(" + STATEMENT + "," + INCLUSION + ")", head.abi(), where.abi()),
            at)
        .address(0);
  }

  /// Wei that go with a challenge.
  public BigInteger challengeDeposit(At at) throws ChainException {
    return chain.call(address, Abi.call("challengeDeposit()"), at).uint(0);
  }

  /// A verdict, if there is one.
  public Optional<Verdict> verdict(Hash evidence, At at) throws ChainException {
    AbiReader r = chain.call(address, Abi.call("verdictOf(bytes32)", Abi.word(evidence)), at);
    Address identity = r.address(0);
    return identity.equals(Address.ZERO)
        ? Optional.empty()
        : Optional.of(new Verdict(identity, (int) r.small(1), r.small(2), r.address(3)));
  }

  /// Who asked for an entry, and how it stands.
  public Challenge challenge(Hash evidence, At at) throws ChainException {
    return challenges(List.of(evidence), at).getFirst();
  }

  /// As the other, in the order of the names.
  public List<Challenge> challenges(List<Hash> evidence, At at) throws ChainException {
    List<Call> calls = new ArrayList<>();
    for (Hash one : evidence) {
      calls.add(Call.to(address, "read", Abi.call("challengeOf(bytes32)", Abi.word(one))));
    }
    List<Challenge> all = new ArrayList<>();
    for (AbiReader r : chain.calls(calls, at)) {
      all.add(challenge(r));
    }
    return all;
  }

  private Challenge challenge(AbiReader r) throws ChainException {
    long stage = r.small(2);
    if (stage >= Stage.values().length) {
      throw ChainException.untrusted("the court " + address + " gave a stage that there is not");
    }
    return new Challenge(r.address(0), r.small(1), Stage.values()[(int) stage], r.address(3));
  }

  /// Wei of deposits that an account may collect.
  public BigInteger owedWei(Address account, At at) throws ChainException {
    return chain.call(address, Abi.call("owedTo(address)", Abi.address(account)), at).uint(0);
  }

  /// What the court was asked for lately, the oldest first; of each case the last asking.
  ///
  /// @param from a block before which it did nothing
  /// @param sinceS blocks that are older are not looked at, but for a few; seconds since the epoch
  public List<Asked> asked(long from, long sinceS, Head head) throws ChainException {
    Map<Hash, Asked> found = new LinkedHashMap<>();
    for (Log log : recent(CHALLENGED, from, sinceS, head)) {
      AbiReader said = new AbiReader(log.data());
      Hash evidence = log.topics().get(2);
      if (said.uint(1).bitLength() > 63) {
        continue; // no log is so long: whoever asked this must not keep others from reading
      }
      found.remove(evidence);
      found.put(
          evidence,
          new Asked(
              log.address(1),
              evidence,
              said.address(0),
              said.small(1),
              said.word(2),
              said.small(3)));
    }
    return List.copyOf(found.values());
  }

  /// The names of the cases that were decided lately, the oldest first; as [#asked].
  public List<Hash> convicted(long from, long sinceS, Head head) throws ChainException {
    List<Hash> found = new ArrayList<>();
    for (Log log : recent(CONVICTED, from, sinceS, head)) {
      found.add(log.topics().get(2));
    }
    return found;
  }

  private List<Log> recent(Hash kind, long from, long sinceS, Head head) throws ChainException {
    List<Log> found = new ArrayList<>();
    Head to = head;
    while (to.number() >= from) {
      long start = Math.max(from, to.number() - Limits.LOG_BLOCKS + 1);
      List<Log> some = chain.logs(address, List.of(kind), start, to);
      for (Log log : some) {
        if (log.topics().size() != 3) {
          throw ChainException.untrusted("the node sent a log without its arguments");
        }
      }
      found.addAll(0, some);
      if (start == from) {
        break;
      }
      to = chain.block(start - 1);
      if (to.timeS() < sinceS) {
        break;
      }
    }
    return found;
  }

  /// Until when the bonds of an identity must stay, seconds since the epoch.
  public long heldUntilS(Address identity, At at) throws ChainException {
    return chain.call(address, Abi.call("heldUntil(address)", Abi.address(identity)), at).small(0);
  }

  /// Two roots for one size of a log.
  public Call equivocation(Statement a, Statement b) {
    return Call.to(
        address,
        "report an equivocation",
        Abi.call("equivocation(" + STATEMENT + "," + STATEMENT + ")", a.abi(), b.abi()));
  }

  /// Two leaves at one index of a log.
  public Call fork(Statement a, Inclusion inA, Statement b, Inclusion inB) {
    return Call.to(
        address,
        "report a fork",
        Abi.call(
            "fork(" + STATEMENT + "," + INCLUSION + "," + STATEMENT + "," + INCLUSION + ")",
            a.abi(),
            inA.abi(),
            b.abi(),
            inB.abi()));
  }

  /// An entry of a request that charges or divides otherwise than its offer says.
  ///
  /// @param entry its canonical bytes
  public Call wrongBill(Statement head, Inclusion where, byte[] entry, ModelOffer o) {
    return Call.to(
        address,
        "report a wrong bill",
        Abi.call(
            "wrongBill(" + STATEMENT + "," + INCLUSION + ",bytes," + OFFER + ")",
            head.abi(),
            where.abi(),
            Abi.bytes(entry),
            Abi.tuple(
                Abi.address(o.provider()),
                Abi.word(o.model()),
                Abi.string(o.region()),
                Abi.string(o.quantisation()),
                Abi.string(o.backend()),
                Abi.uint(o.price().perMillionPrompt()),
                Abi.uint(o.price().perMillionCached()),
                Abi.uint(o.price().perMillionCompletion()),
                Abi.uint(o.price().perMillionRows()),
                Abi.uint(o.price().perMillionRequests()),
                Abi.uint(o.royaltyPermille()),
                Abi.uint(o.poolPermille()),
                Abi.uint(o.parallel()),
                Abi.uint(o.contextTokens()),
                Abi.string(Digests.word(o.policy())),
                Abi.word(o.sealKey().orElse(Hash.ZERO)),
                Abi.string(o.endpoint()),
                Abi.uint(o.madeUs()),
                Abi.uint(o.sealKey().isPresent() ? 1 : 0))));
  }

  /// Asks a pool to show an entry in a committed root.
  ///
  /// @param depositWei as [#challengeDeposit] says
  public Call challenge(Statement receipt, Inclusion where, BigInteger depositWei) {
    return new Call(
        "challenge an omission",
        Optional.of(address),
        depositWei,
        Abi.call("challenge(" + STATEMENT + "," + INCLUSION + ")", receipt.abi(), where.abi()));
  }

  /// Shows the entry that was asked for.
  public Call answer(Statement.Committed commitment, Inclusion where) {
    return Call.to(
        address,
        "answer a challenge",
        Abi.call(
            "answer(" + STATEMENT + "," + INCLUSION + ")",
            ((Statement) commitment).abi(),
            where.abi()));
  }

  /// Convicts a pool that did not answer in time.
  public Call omission(Hash evidence) {
    return Call.to(
        address, "report an omission", Abi.call("omission(bytes32)", Abi.word(evidence)));
  }

  /// Has a bond slashed by a verdict.
  public Call enforce(Hash evidence, Address collateral) {
    return Call.to(
        address,
        "enforce a verdict",
        Abi.call("enforce(bytes32,address)", Abi.word(evidence), Abi.address(collateral)));
  }

  /// Sends an account the deposits that are its own.
  public Call collect(Address account) {
    return Call.to(address, "collect deposits", Abi.call("collect(address)", Abi.address(account)));
  }

  /// The name of the case that a log had two roots at one size.
  public static Hash equivocationOf(Address log, long size, Hash root, Hash other) {
    return twofold("equivocation", log, size, root, other);
  }

  /// The name of the case that a log had two leaves at one index.
  public static Hash forkOf(Address log, long index, Hash leaf, Hash other) {
    return twofold("fork", log, index, leaf, other);
  }

  private static Hash twofold(String kind, Address log, long number, Hash one, Hash other) {
    boolean inOrder = one.compareTo(other) < 0;
    return Keccak.hash(
        Abi.encode(
            List.of(
                Abi.string(kind),
                Abi.address(log),
                Abi.uint(number),
                Abi.word(inOrder ? one : other),
                Abi.word(inOrder ? other : one))));
  }

  /// The name of the case that a leaf is missing from a log's committed roots.
  public static Hash omissionOf(Address log, long index, Hash leaf) {
    return Keccak.hash(
        Abi.encode(
            List.of(Abi.string("omission"), Abi.address(log), Abi.uint(index), Abi.word(leaf))));
  }
}
