package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.ChainPurse;
import dev.perseid.core.Hash;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// Follows what a pool's purses, till and payees are in the escrow, in blocks that are deep enough.
/// Logs say what may have changed; what it is now is read from the state, so that neither a log
/// that comes twice nor one that is missing can make a book wrong for long. The caller keeps the
/// cursor, and what it knows. Used by one thread.
public final class EscrowReader {
  /// What was read.
  ///
  /// @param at the block whose state this is; never below one that was read before, unless the
  ///   chain was rewound
  /// @param cursor where to go on
  /// @param purses those that may have changed
  /// @param paid all that each payee ever got, of those who may have got something
  /// @param till the pool's
  /// @param isCaughtUp whether everything up to `at` is told; else read again at once
  /// @param wasRewound whether the chain had been rewound below the cursor: all was read again
  public record Seen(
      Head at,
      Cursor cursor,
      List<ChainPurse> purses,
      Map<Address, Long> paid,
      Escrow.Till till,
      boolean isCaughtUp,
      boolean wasRewound) {}

  /// Nodes that keep no archive know the states of 128 blocks.
  public static final int MOST_CONFIRMATIONS = 100;

  private static final long SECOND_US = 1_000_000;

  private static final List<Hash> KINDS =
      List.of(
          Escrow.DEPOSITED,
          Escrow.EXIT_ASKED,
          Escrow.EXIT_CANCELLED,
          Escrow.EXITED,
          Escrow.REDEEMED,
          Escrow.SETTLED,
          Escrow.PAYOUT_FAILED,
          Escrow.CLAIMED);

  /// What changes how much is in a purse, but for what is redeemed.
  private static final List<Hash> FUNDING = List.of(Escrow.DEPOSITED, Escrow.EXITED);

  private final Chain chain;
  private final Escrow escrow;
  private final Address pool;
  private final long fromBlock;
  private final int confirmations;
  private final long logBlocks;
  private final LogReader logs;
  private Optional<Escrow.Till> lastTill = Optional.empty();

  /// Where who reads was told to go on. Who asks from elsewhere did not take in what was read last,
  /// or has it from another reader.
  private Optional<Cursor> lastCursor = Optional.empty();

  /// @param fromBlock the escrow did nothing before
  /// @param confirmations how deep a block must be, itself counted
  public EscrowReader(
      Chain chain, Address escrow, Address pool, long fromBlock, int confirmations) {
    this(chain, escrow, pool, fromBlock, confirmations, Limits.LOG_BLOCKS);
  }

  /// @param logBlocks of how many blocks logs are asked at once
  EscrowReader(
      Chain chain,
      Address escrow,
      Address pool,
      long fromBlock,
      int confirmations,
      long logBlocks) {
    if (confirmations < 1 || confirmations > MOST_CONFIRMATIONS || fromBlock < 0) {
      throw new IllegalArgumentException(
          "confirmations must be from 1 to " + MOST_CONFIRMATIONS + ", blocks not below zero");
    }
    this.chain = chain;
    this.escrow = new Escrow(chain, escrow);
    this.pool = pool;
    this.fromBlock = fromBlock;
    this.confirmations = confirmations;
    this.logBlocks = logBlocks;
    this.logs = new LogReader(chain, fromBlock, logBlocks);
  }

  /// Where to begin.
  public Cursor start() {
    return logs.start();
  }

  /// Reads on.
  ///
  /// @param consumers whose purses the caller knows: after a settlement all of them are read
  /// @param payees likewise
  /// @return nothing if no new block is deep enough
  /// @throws ChainException if the chain cannot be asked or is not to be believed; read again from
  ///   the same cursor later
  public Optional<Seen> read(Cursor from, Collection<Address> consumers, Collection<Address> payees)
      throws ChainException {
    chain.checkId();
    Hash second = Abi.topic(pool);
    Optional<LogReader.Part> read =
        logs.after(
            from,
            chain.confirmed(confirmations),
            (first, end) -> chain.logs(escrow.address(), KINDS, second, first, end));
    if (read.isEmpty()) {
      return Optional.empty();
    }
    LogReader.Part part = read.get();
    boolean anew = lastTill.isEmpty() || !Optional.of(from).equals(lastCursor);
    if (part.isEmpty() && !anew) {
      return Optional.empty();
    }
    Head to = part.to();
    Set<Address> purses = new LinkedHashSet<>();
    Set<Address> paid = new LinkedHashSet<>();
    boolean all = part.isRewound() || anew;
    for (Log log : part.logs()) {
      Hash kind = log.topics().get(0);
      if (kind.equals(Escrow.REDEEMED) || kind.equals(Escrow.SETTLED)) {
        all = true;
      } else if (kind.equals(Escrow.CLAIMED) || kind.equals(Escrow.PAYOUT_FAILED)) {
        paid.add(topic(log, 2));
      } else {
        purses.add(topic(log, 2));
      }
    }
    Escrow.Till till = escrow.till(pool, At.block(to));
    if (all || !Optional.of(till).equals(lastTill)) {
      purses.addAll(consumers);
      paid.addAll(payees);
    }
    List<Address> who = List.copyOf(purses);
    List<Escrow.Purse> states = escrow.purses(pool, who, At.block(to));
    List<ChainPurse> told = new ArrayList<>();
    for (int i = 0; i < who.size(); i++) {
      told.add(told(who.get(i), states.get(i)));
    }
    Map<Address, Long> got = new LinkedHashMap<>();
    List<Address> toWhom = List.copyOf(paid);
    List<Long> totals = escrow.paidTo(pool, toWhom, At.block(to));
    for (int i = 0; i < toWhom.size(); i++) {
      got.put(toWhom.get(i), totals.get(i));
    }
    // Only now: what could not be read is read again.
    lastTill = Optional.of(till);
    Cursor cursor = part.cursor();
    lastCursor = Optional.of(cursor);
    return Optional.of(new Seen(to, cursor, told, got, till, part.isCaughtUp(), part.isRewound()));
  }

  /// Reads all from the beginning, as for a pool that moves to the escrow.
  public Seen readAll(Collection<Address> payees) throws ChainException {
    Cursor cursor = start();
    Set<Address> consumers = new LinkedHashSet<>();
    while (true) {
      lastTill = Optional.empty();
      Optional<Seen> seen = read(cursor, consumers, payees);
      if (seen.isEmpty()) {
        throw new ChainException(
            ChainException.Kind.UNREACHABLE,
            "the node has not reached block " + fromBlock + " yet: ask again later");
      }
      seen.get().purses().forEach(purse -> consumers.add(purse.consumer()));
      if (seen.get().isCaughtUp()) {
        return seen.get();
      }
      cursor = seen.get().cursor();
    }
  }

  /// A purse, in the words of the core.
  public static ChainPurse told(Address consumer, Escrow.Purse p) {
    long leavingUs =
        p.exitAtS() > Long.MAX_VALUE / SECOND_US ? Long.MAX_VALUE : p.exitAtS() * SECOND_US;
    return new ChainPurse(consumer, p.funded(), p.spent(), leavingUs);
  }

  /// Who put what into a purse.
  ///
  /// @param brought by the payer that was asked for, and still there or redeemed
  /// @param own by anybody else, and still there or redeemed
  /// @param ever all that the payer ever brought, also what its owner took out since
  /// @param taken whether the owner left with something that the payer had brought
  public record Put(long brought, long own, long ever, boolean taken) {
    /// Nothing.
    public static final Put NONE = new Put(0, 0, 0, false);
  }

  /// Tells of each purse what of it was brought by one payer, up to a block that was read.
  public Map<Address, Put> puts(Address payer, Head until) throws ChainException {
    Map<Address, Put> puts = new LinkedHashMap<>();
    Hash second = Abi.topic(pool);
    LogReader all = new LogReader(chain, fromBlock, logBlocks);
    Cursor cursor = all.start();
    while (cursor.block() < until.number()) {
      LogReader.Part part =
          all.after(
                  cursor,
                  until,
                  (first, end) -> chain.logs(escrow.address(), FUNDING, second, first, end))
              .orElseThrow();
      if (part.isRewound()) {
        puts.clear();
      }
      cursor = part.cursor();
      for (Log log : part.logs()) {
        Address owner = topic(log, 2);
        Put put = puts.getOrDefault(owner, Put.NONE);
        if (log.topics().get(0).equals(Escrow.EXITED)) {
          put = new Put(0, 0, put.ever(), put.taken() || put.brought() > 0);
        } else {
          long amount = new AbiReader(log.data()).amount(0);
          put =
              topic(log, 3).equals(payer)
                  ? new Put(
                      sum(put.brought(), amount), put.own(), sum(put.ever(), amount), put.taken())
                  : new Put(put.brought(), sum(put.own(), amount), put.ever(), put.taken());
        }
        puts.put(owner, put);
      }
    }
    return puts;
  }

  private static long sum(long a, long b) {
    return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
  }

  private static Address topic(Log log, int place) throws ChainException {
    if (log.topics().size() <= place) {
      throw ChainException.untrusted("the node sent a log without its arguments");
    }
    return log.address(place);
  }
}
