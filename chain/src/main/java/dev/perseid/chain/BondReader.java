package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// Follows what identities have at stake under one arbiter, in blocks that are deep enough, and who
/// paid it. Logs say what may have changed; what it is worth now is read from the state. Keeps what
/// it read in memory: a new one reads all again. Used by one thread.
public final class BondReader {
  /// What is at stake for an identity.
  ///
  /// @param value in the collateral's unit, after haircuts, without what is leaving
  /// @param funder who paid more than half of all that was ever bonded for it; empty if nobody did
  /// @param isReachable whether there is anything to slash, also of what is leaving
  public record Stake(long value, Optional<Address> funder, boolean isReachable) {
    /// Nothing.
    public static final Stake NONE = new Stake(0, Optional.empty(), false);
  }

  private static final List<Hash> KINDS =
      List.of(
          Collateral.BONDED,
          Collateral.LEAVING,
          Collateral.STAYED,
          Collateral.WITHDRAWN,
          Collateral.SLASHED);

  private static final List<Hash> TRANSFER = List.of(Token.TRANSFER);

  /// What the logs say of one identity.
  private static final class Row {
    /// Of all assets, each in its own units: bonded, less what was withdrawn and slashed.
    long there;

    long paid;
    final Map<Address, Long> payers = new HashMap<>();

    Optional<Address> funder() {
      return payers.entrySet().stream()
          .filter(p -> p.getValue() > paid / 2)
          .map(Map.Entry::getKey)
          .findFirst();
    }
  }

  /// What one log says.
  ///
  /// @param payer who paid it; empty if it went away, or only changed its state
  private record Step(Address identity, Optional<Address> payer, long amount) {}

  private final Chain chain;
  private final Collateral collateral;
  private final Address arbiter;
  private final long fromBlock;
  private final int confirmations;
  private final long logBlocks;
  private final Map<Address, Row> rows = new HashMap<>();
  private final Map<Address, Stake> stakes = new HashMap<>();
  private final Set<Address> changed = new LinkedHashSet<>();
  private List<Collateral.Asset> assets = List.of();
  private long last;
  private Hash lastHash = Hash.ZERO;

  /// @param arbiter who could slash it
  /// @param fromBlock the collateral did nothing before
  /// @param confirmations how deep a block must be, itself counted
  public BondReader(
      Chain chain, Address collateral, Address arbiter, long fromBlock, int confirmations) {
    this(chain, collateral, arbiter, fromBlock, confirmations, Limits.LOG_BLOCKS);
  }

  /// @param logBlocks of how many blocks logs are asked at once
  BondReader(
      Chain chain,
      Address collateral,
      Address arbiter,
      long fromBlock,
      int confirmations,
      long logBlocks) {
    this.chain = chain;
    this.collateral = new Collateral(chain, collateral);
    this.arbiter = arbiter;
    this.fromBlock = fromBlock;
    this.confirmations = confirmations;
    this.logBlocks = logBlocks;
    this.last = fromBlock - 1;
  }

  /// What is at stake for an identity, as it was read last.
  public Stake of(Address identity) {
    return stakes.getOrDefault(identity, Stake.NONE);
  }

  /// Reads on, at most [Limits#LOG_BLOCKS] blocks.
  ///
  /// @return whether all is read; before that [#of] does not say what is
  /// @throws ChainException if the chain cannot be asked or is not to be believed; nothing is
  ///   forgotten
  public boolean read() throws ChainException {
    chain.checkId();
    Head to = chain.confirmed(confirmations);
    if (to.number() < last) {
      return false; // the node is behind, or was changed for one that is
    }
    if (!lastHash.equals(Hash.ZERO) && !chain.block(last).hash().equals(lastHash)) {
      rows.clear();
      stakes.clear();
      changed.clear();
      last = fromBlock - 1;
      lastHash = Hash.ZERO;
    }
    if (to.number() > last) {
      if (assets.isEmpty()) {
        assets = collateral.assets(At.latest());
      }
      long until = Math.min(to.number(), last + logBlocks);
      Head end = until == to.number() ? to : chain.block(until);
      take(Math.max(0, last + 1), end);
      last = end.number();
      lastHash = end.hash();
    }
    if (last < to.number()) {
      return false;
    }
    List<Address> who = List.copyOf(changed);
    List<Long> values = collateral.valuesOf(who, arbiter, At.block(to));
    for (int i = 0; i < who.size(); i++) {
      Row row = rows.getOrDefault(who.get(i), new Row());
      stakes.put(who.get(i), new Stake(values.get(i), row.funder(), row.there > 0));
    }
    changed.clear();
    return true;
  }

  private void take(long from, Head end) throws ChainException {
    Hash topic = Abi.topic(arbiter);
    List<Log> logs = chain.logsOfThird(collateral.address(), KINDS, topic, from, end);
    List<Log> transfers = new ArrayList<>();
    if (logs.stream().anyMatch(log -> log.topics().get(0).equals(Collateral.BONDED))) {
      Hash here = Abi.topic(collateral.address());
      for (Collateral.Asset asset : assets) {
        transfers.addAll(chain.logsOfThird(asset.token(), TRANSFER, here, from, end));
      }
    }
    // All is understood before anything is kept: what cannot be understood is asked again.
    List<Step> steps = new ArrayList<>();
    for (Log log : logs) {
      Hash kind = log.topics().get(0);
      AbiReader data = new AbiReader(log.data());
      boolean bonds = kind.equals(Collateral.BONDED);
      boolean goes = kind.equals(Collateral.WITHDRAWN) || kind.equals(Collateral.SLASHED);
      steps.add(
          new Step(
              log.address(1),
              bonds ? Optional.of(payer(log, transfers)) : Optional.empty(),
              bonds ? data.amount(0) : goes ? data.amount(1) : 0));
    }
    for (Step step : steps) {
      Address identity = step.identity();
      Row row = rows.get(identity);
      if (row == null) {
        if (rows.size() >= Limits.BONDED) {
          continue; // of those that came first enough is known
        }
        row = new Row();
        rows.put(identity, row);
      }
      changed.add(identity);
      if (step.payer().isEmpty()) {
        row.there = Math.max(0, row.there - step.amount());
      } else {
        Address payer = step.payer().get();
        row.there = sum(row.there, step.amount());
        row.paid = sum(row.paid, step.amount());
        if (row.payers.size() < Limits.PAYERS || row.payers.containsKey(payer)) {
          row.payers.merge(payer, step.amount(), BondReader::sum);
        }
      }
    }
  }

  /// Whose tokens the contract took just before it said that they are bonded.
  private static Address payer(Log bonded, List<Log> transfers) throws ChainException {
    Log of = null;
    for (Log log : transfers) {
      boolean before =
          log.transaction().equals(bonded.transaction()) && log.index() < bonded.index();
      if (before && (of == null || of.index() < log.index())) {
        of = log;
      }
    }
    if (of == null) {
      throw ChainException.untrusted("the node sent a bond without the transfer that paid it");
    }
    return of.address(1);
  }

  private static long sum(long a, long b) {
    return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
  }
}
