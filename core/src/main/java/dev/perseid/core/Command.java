package dev.perseid.core;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/// What somebody asks of the pool. Who asks was authenticated before it came here; whether it may
/// be done is decided here.
public sealed interface Command {
  /// The operator gives credits to an account, out of issuance.
  record Grant(Address to, long amount, String memo) implements Command {}

  /// A consumer came to a pool that gives newcomers something to begin with: it gets the amount if
  /// it never had an account here, else nothing happens.
  record Welcome(Address to, long amount) implements Command {}

  /// A consumer submits a job.
  ///
  /// @param signature the consumer's 65-byte EIP-712 signature over the order, hexadecimal
  record SubmitJob(JobSpec spec, String signature) implements Command {}

  /// A consumer cancels its job; the operator may cancel any.
  ///
  /// @param operator whether `by` is the pool's operator
  record CancelJob(JobId job, Address by, boolean operator) implements Command {}

  /// A provider connects, or connects again.
  ///
  /// @param offerHash EIP-712 digest of the offer
  /// @param signature the provider's signature of it, hexadecimal
  /// @param session number of this connection; what comes from an older session is refused
  /// @param held leases that it still runs or has results of; all others of its leases were lost by
  ///   it or never reached it
  /// @param network from which network it came, so that no two providers of one network check each
  ///   other; empty if that is not known
  /// @param platform for which it runs native tasks; empty if it runs none
  /// @param operator who signed that it is its own; empty if nobody did
  /// @param gPerKwh what a kilowatt hour emits where it stands, as it says, grams of carbon dioxide
  record JoinProvider(
      Offer offer,
      Hash offerHash,
      String signature,
      long session,
      List<Long> held,
      String network,
      Optional<Platform> platform,
      Optional<Address> operator,
      OptionalInt gPerKwh)
      implements Command {
    /// From nobody knows where, for portable tasks alone.
    public JoinProvider(
        Offer offer, Hash offerHash, String signature, long session, List<Long> held) {
      this(
          offer,
          offerHash,
          signature,
          session,
          held,
          "",
          Optional.empty(),
          Optional.empty(),
          OptionalInt.empty());
    }
  }

  /// A provider wants no new leases: it ends what it runs and leaves.
  record DrainProvider(Address provider, long session) implements Command {}

  /// A provider gives leases back that it has not started.
  record ReturnLeases(Address provider, long session, List<Long> leases) implements Command {}

  /// A provider has gone: it said so, or was silent for too long.
  record LoseProvider(Address provider, long session, String reason) implements Command {}

  /// A provider reports ended attempts. Before it comes here the batch's signature was verified
  /// against the reports' digests, and each digest of a known lease against the record that follows
  /// from it.
  ///
  /// @param luck drawn at random and known to nobody: it decides which results are checked
  /// @param steadySinceUs when the pool's clock was last set, as far as can be known: only of
  ///   leases made later it says how long they have been open
  record ReportAttempts(
      Address provider,
      long session,
      List<Report> reports,
      String signature,
      long luck,
      long steadySinceUs)
      implements Command {
    /// By a clock that was never set.
    public ReportAttempts(
        Address provider, long session, List<Report> reports, String signature, long luck) {
      this(provider, session, reports, signature, luck, 0);
    }

    /// Without luck: what is checked can be foreseen.
    public ReportAttempts(Address provider, long session, List<Report> reports, String signature) {
      this(provider, session, reports, signature, 0);
    }
  }

  /// A report was found wrong before it reached the core (digest, missing or wrong blob): the
  /// attempt is refused, recorded and not paid.
  record RefuseReport(Address provider, long session, long lease, String reason)
      implements Command {}

  /// A result was compared with others, as [Effect.Compare] asked for.
  ///
  /// @param entry index of its record
  /// @param like index of the record of the first that it is like, or its own; or [#UNKNOWN]
  /// @param problem why it could not be compared with all of them; empty if it could
  record RecordComparison(JobId job, int task, long entry, long like, String problem)
      implements Command {
    /// The pool cannot compare it, which is not the result's fault: the task is given up, and who
    /// ran it is paid.
    public static final long UNKNOWN = -1;
  }

  /// A provider was measured.
  ///
  /// @param id number of the measurement
  /// @param cores how many cores it showed
  /// @param memoryBytes how much memory it showed
  /// @param gpus which GPUs it showed
  /// @param stepsPerS steps that all of its cores together did in a second
  /// @param gpuStepsPerS likewise all of its GPUs
  /// @param problem what was wrong with what it showed, or that it showed nothing; empty if it did
  ///   what it was asked
  /// @param luck drawn at random and known to nobody: it decides when it is measured again
  record RecordCapacity(
      Address provider,
      long session,
      long id,
      int cores,
      long memoryBytes,
      Gpus gpus,
      long stepsPerS,
      long gpuStepsPerS,
      String problem,
      long luck)
      implements Command {
    /// Of a machine without GPUs.
    public RecordCapacity(
        Address provider,
        long session,
        long id,
        int cores,
        long memoryBytes,
        long stepsPerS,
        String problem,
        long luck) {
      this(provider, session, id, cores, memoryBytes, Gpus.NONE, stepsPerS, 0, problem, luck);
    }
  }

  /// An author publishes a version of a model. The signature was verified against the digest.
  ///
  /// @param modelHash EIP-712 digest of the model
  /// @param signature the author's signature of it, hexadecimal
  record PublishModel(Model model, Hash modelHash, String signature) implements Command {}

  /// An author, or the operator, withdraws a version of a model.
  ///
  /// @param operator whether `by` is the pool's operator
  record WithdrawModel(Hash manifest, Address by, boolean operator) implements Command {}

  /// A provider says which models it serves: these, and no others. The signatures were verified.
  ///
  /// @param poolPermille the share of each charge that the pool asks
  record OfferModels(
      Address provider, long session, List<SignedModelOffer> offers, int poolPermille)
      implements Command {}

  /// Moves credits from a consumer's account to its tab.
  record FillTab(Address consumer, long amount) implements Command {}

  /// Moves what is left on a tab back to the account.
  record EmptyTab(Address consumer) implements Command {}

  /// Requests to models of one provider have ended and are recorded and paid. The records follow
  /// from the pool's own orders; the signature was verified against the digests.
  ///
  /// @param digests EIP-712 digests of the records, in order
  /// @param signature the provider's signature of the batch; empty if it gave none, and then
  ///   nothing may be charged
  /// @param keys for each record the API keys on which its charge counts: the one with which it was
  ///   asked and those above it. Empty where that is so for none
  record RecordInferences(
      Address provider,
      List<ExecutionRecord> records,
      List<Hash> digests,
      String signature,
      List<List<Hash>> keys)
      implements Command {
    /// Requests that were asked with no API key.
    public RecordInferences(
        Address provider, List<ExecutionRecord> records, List<Hash> digests, String signature) {
      this(provider, records, digests, signature, List.of());
    }
  }

  /// An account makes an API key for requests to models.
  record MakeApiKey(Address account, Hash keyHash, String name) implements Command {}

  /// An account, or one of its keys, makes an API key.
  ///
  /// @param within what whoever makes it may do itself
  /// @param parent the key that makes it, if one does
  record MakeScopedKey(
      Address account,
      Hash keyHash,
      String name,
      Rights rights,
      Rights within,
      Optional<Hash> parent)
      implements Command {}

  /// An account, or the operator, revokes an API key, and with it all that were made with it.
  ///
  /// @param with the key that asks for it, if one does: it may revoke itself and what it made
  record RevokeApiKey(Hash keyHash, Address by, boolean operator, Optional<Hash> with)
      implements Command {
    /// Not asked for with a key.
    public RevokeApiKey(Hash keyHash, Address by, boolean operator) {
      this(keyHash, by, operator, Optional.empty());
    }
  }

  /// An audit of an answer was weighed.
  record RecordAudit(AuditNote note) implements Command {}

  /// Moves credits from the pool's own account to one out of which its audits ask like a consumer:
  /// as much of `most` as there is, but at least `least`.
  record FundAudits(Address account, long least, long most) implements Command {}

  /// Moves what is left on such an account back.
  record CloseAudits(Address account) implements Command {}

  /// The operator has consumers sign vouchers from now on, for credits too.
  record RequireVouchers() implements Command {}

  /// The operator moves the pool to a token. Refused unless each account that has anything has a
  /// purse into which at least as much was brought for it. What the accounts of audits have must be
  /// in the pool's own.
  ///
  /// @param purses all purses of this pool on the chain
  /// @param own what of a purse was put in by its consumer, or by others than the pool: it is
  ///   beyond what was brought, and stays the consumer's beside what the account has
  /// @param epoch how often the pool has settled there, which must be 0
  /// @param block the block at which all of it was read
  /// @param blockUs when it was made, by the chain's clock
  record AdoptEscrow(
      Money.Escrow escrow,
      List<ChainPurse> purses,
      Map<Address, Long> own,
      long epoch,
      long block,
      long blockUs)
      implements Command {}

  /// A consumer's voucher. Its signature was verified for this pool's money.
  record TakeVoucher(Voucher voucher) implements Command {}

  /// A purse was read on the chain, in a block that counts.
  record SeePurse(ChainPurse purse, long block) implements Command {}

  /// What a payee ever got from this pool was read on the chain, in a block that counts.
  record SeePaid(Address payee, long total, long block) implements Command {}

  /// What a provider has at stake was read on the chain, in a block that counts.
  ///
  /// @param amount in the token of the pool's escrow
  /// @param funder who paid most of it
  record SeeBond(Address provider, long amount, Optional<Address> funder) implements Command {}

  /// A part of a provider's bond was taken for a refuted result, in a block that counts; or there
  /// is nothing left that could be taken.
  ///
  /// @param entry index of the result's record
  record SeePenalty(Address provider, long entry) implements Command {}

  /// All that the chain says up to this block has been told.
  ///
  /// @param blockUs when it was made, by the chain's clock
  record SeeBlock(long block, long blockUs) implements Command {}

  /// A payment reached the pool's own key (x402 `exact`).
  ///
  /// @param payment its name on the chain, which comes but once
  record TakePayment(Address payer, long amount, Hash payment) implements Command {}

  /// What is left of a payer's payments and not needed by what runs is due to it again.
  record ReturnPayment(Address payer) implements Command {}

  /// A payment that was taken is not on the chain any more, and never will be: what is left of it
  /// is taken back, and what was spent of it is the pool's loss.
  ///
  /// @param payment its name, as it was taken
  record ReversePayment(Address payer, Hash payment) implements Command {}

  /// Says what is to be redeemed, paid and committed to next.
  ///
  /// @param leastGain a voucher that brings less waits, unless its consumer is leaving
  /// @param leastPush who is due less claims it
  /// @param recordsSize,recordsRoot of a tree head of the pool's records
  record CloseEpoch(long leastGain, long leastPush, long recordsSize, Hash recordsRoot)
      implements Command {}

  /// The closed epoch was settled. On credits the rest is empty.
  ///
  /// @param redeemed what came in by its vouchers
  /// @param skipped consumers that are contracts and denied their vouchers
  /// @param failedPushes payees to whom the token would not send
  record ConfirmEpoch(
      long epoch,
      long redeemed,
      List<Address> skipped,
      List<Address> failedPushes,
      Hash txHash,
      long block,
      long gas)
      implements Command {
    /// On credits.
    public ConfirmEpoch(long epoch) {
      this(epoch, 0, List.of(), List.of(), Hash.ZERO, 0, 0);
    }
  }

  /// The closed epoch can not be settled as it is, and never will: it is open again.
  ///
  /// @param denied consumers that are contracts and deny their vouchers
  record ReopenEpoch(long epoch, List<Address> denied, String reason) implements Command {}

  /// A consumer says that it will leave, where money is credits with vouchers.
  record AskExit(Address consumer) implements Command {}

  /// It stays after all.
  record CancelExit(Address consumer) implements Command {}

  /// It takes what is left, once the delay is over.
  record Exit(Address consumer) implements Command {}

  /// Make at most `max` assignments, expire what is overdue.
  ///
  /// @param expire whether leases may expire, and jobs of which something runs may end because
  ///   their time is over. A host that was down says no until its providers have had the time to
  ///   come back: they may have the results
  /// @param luck drawn at random and known to nobody: it decides who checks whom
  /// @param measure whether providers are to be measured whose turn it is: they get no new lease
  ///   until that is done
  /// @param copy whether second attempts are begun where the first takes too long: that costs more
  ///   than other assignments, and nothing is lost if it is done now and then
  record Schedule(int max, boolean expire, long luck, boolean measure, boolean copy)
      implements Command {
    /// Does all but measure; who checks whom can be foreseen.
    public Schedule(int max) {
      this(max, true, 0);
    }

    /// Does all but measure.
    public Schedule(int max, boolean expire, long luck) {
      this(max, expire, luck, false, true);
    }
  }
}
