package dev.perseid.core;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// What happened. The log is a sequence of these, and the pool's state is their fold. A released
/// event keeps its meaning for ever.
public sealed interface Event {
  /// Credits were moved from issuance to an account.
  record Granted(Address to, long amount, String memo, long atUs) implements Event {}

  /// A job was accepted and its budget moved from the consumer's account into the job's
  /// reservation.
  record JobAccepted(JobSpec spec, String signature, long atUs) implements Event {}

  /// An attempt was leased to a provider; `maxCharge` is held from the job's reservation.
  ///
  /// @param job number of the job in the pool, from 0, in order of acceptance
  record TaskAssigned(
      long lease, int job, int task, int attempt, Address provider, long maxCharge, long atUs)
      implements Event {}

  /// A provider signed a batch; the entries that name it follow.
  record BatchSigned(SignedBatch batch) implements Event {}

  /// An attempt ended. The lease is over, its hold is released, `record.charge` moves from the
  /// job's reservation to the provider.
  ///
  /// @param next what becomes of the task
  record AttemptEnded(Entry entry, Next next) implements Event {}

  /// Whether a result must be checked was decided. The end of the attempt follows, with
  /// [Next#CHECK] if it must.
  ///
  /// @param why on what grounds
  /// @param ppm with which probability it was to be checked, millionths
  /// @param doubtPpm with which probability its provider's next result was believed to be wrong
  record CheckDrawn(long lease, CheckReason why, int ppm, int doubtPpm, long atUs)
      implements Event {}

  /// What a task's result is was settled. The right ones are paid; the wrong ones, and those that
  /// say nothing, are not.
  ///
  /// @param job number of the job in the pool
  /// @param right indices of the records that say what counts, ascending; none if the task is given
  ///   up because providers do not agree
  /// @param wrong indices of the records that say otherwise
  /// @param agreed whether anybody but one provider says so, so that it is learnt from
  record TaskJudged(
      int job, int task, List<Long> right, List<Long> wrong, boolean agreed, long atUs)
      implements Event {}

  /// A provider was found out: what counts in a job on its word alone does not count any more. Each
  /// such task is ready again, with what the provider said as the first word on it, so that
  /// [TaskJudged] says what becomes of it. What is not done and reads it waits until then.
  ///
  /// @param reversed what was taken back of what the provider got for it, microcredits: from what
  ///   it is due, or has, to the job's reservation. It is not paid again, whatever becomes of the
  ///   results
  record ResultsDoubted(int job, Address provider, long reversed, long atUs) implements Event {}

  /// A job that was done runs again, because results of it are doubted: that event follows.
  ///
  /// @param reserved what of the consumer's account moved into the job's reservation again,
  ///   microcredits: at most what was left of the budget
  record JobReopened(int job, long reserved, long atUs) implements Event {}

  /// A lease was given back unstarted: no attempt was made, the task is ready again.
  record LeaseReturned(long lease, long atUs) implements Event {}

  /// A job ended. What is left of its reservation moved back to the consumer.
  ///
  /// @param reason empty for DONE, else one sentence
  record JobEnded(int job, JobState state, String reason, long refund, long atUs)
      implements Event {}

  /// A provider joined or re-joined under an offer.
  record ProviderJoined(Offer offer, Hash offerHash, String signature, long session, long atUs)
      implements Event {}

  /// A provider came from another network than before.
  record NetworkSeen(Address provider, String network, long atUs) implements Event {}

  /// A provider runs native tasks from now on.
  ///
  /// @param platform of which kind; empty if it runs none any more
  record PlatformSeen(Address provider, Optional<Platform> platform, long atUs) implements Event {}

  /// A provider came with another operator's word that it is its own, or with nobody's.
  ///
  /// @param operator empty if nobody's
  record OperatorSeen(Address provider, Optional<Address> operator, long atUs) implements Event {}

  /// A provider says something else than before of what its energy emits.
  ///
  /// @param gPerKwh carbon dioxide, grams for a kilowatt hour; empty if it does not say any more
  record CarbonSeen(Address provider, OptionalInt gPerKwh, long atUs) implements Event {}

  /// A provider has something else at stake than before.
  record BondSeen(Address provider, Bond bond, long atUs) implements Event {}

  /// A provider owes nothing any more for a refuted result.
  ///
  /// @param entry index of its record
  record PenaltySeen(Address provider, long entry, long atUs) implements Event {}

  /// The result of a native task was compared with what others got.
  ///
  /// @param entry index of its record
  /// @param like index of the first record whose result it is like; its own if it is like none
  /// @param problem why it could not be compared with all of them; empty if it could
  record ResultsCompared(int job, int task, long entry, long like, String problem, long atUs)
      implements Event {}

  /// A provider is to be measured: it gets no new lease until it was.
  ///
  /// @param id number of the measurement in the pool, from 1
  record CapacityAsked(long id, Address provider, long atUs) implements Event {}

  /// A provider was measured. It gets work for what it showed, at most for what it declares; if
  /// there was a problem, none.
  ///
  /// @param id number of the measurement
  /// @param nextUs when it is to be measured again, unless it comes with another offer before
  record CapacityMeasured(long id, Address provider, Capacity capacity, long nextUs)
      implements Event {}

  /// A provider takes no new leases.
  record ProviderDraining(Address provider, long atUs) implements Event {}

  /// A provider is gone. Its leases ended one by one before this event.
  record ProviderGone(Address provider, String reason, long atUs) implements Event {}

  /// A version of a model was published.
  record ModelPublished(Model model, Hash modelHash, String signature, long atUs)
      implements Event {}

  /// A version of a model is not offered to anybody any more.
  record ModelWithdrawn(Hash manifest, long atUs) implements Event {}

  /// A provider serves these models under these terms and no others.
  record ModelsOffered(Address provider, List<SignedModelOffer> offers, long atUs)
      implements Event {}

  /// Credits were moved from a consumer's account to its tab, out of which requests to models are
  /// paid.
  record TabFilled(Address consumer, long amount, long atUs) implements Event {}

  /// What was left on a tab moved back.
  record TabEmptied(Address consumer, long amount, long atUs) implements Event {}

  /// A request to a model was answered, or was not. Its charge moves from the consumer's tab to
  /// provider, author and pool, as the record says.
  record InferenceRecorded(Entry entry) implements Event {}

  /// An API key stands for an account from now on, for requests to models ([Rights#INFERENCE]).
  ///
  /// @param keyHash SHA-256 of the key; the key itself is known to its owner alone
  record ApiKeyMade(Address account, Hash keyHash, String name, long atUs) implements Event {}

  /// An API key stands for nobody any more.
  record ApiKeyRevoked(Hash keyHash, long atUs) implements Event {}

  /// An API key stands for an account from now on, as far as its rights go.
  ///
  /// @param parent the key with which it was made, if it was
  record ScopedKeyMade(
      Address account, Hash keyHash, String name, Rights rights, Optional<Hash> parent, long atUs)
      implements Event {}

  /// What a request cost was counted on these keys, of which at least one has a spending limit. The
  /// money itself moved with the record before.
  record ApiKeySpent(List<Hash> keys, long amount, long atUs) implements Event {}

  /// An answer was audited: this is known of its provider from now on, on this reader's word.
  record Audited(AuditNote note, long atUs) implements Event {}

  /// Credits were moved from the pool's own account to one out of which its audits are paid.
  record AuditsFunded(Address account, long amount, long atUs) implements Event {}

  /// What was left on such an account moved back; it pays for no audits any more.
  record AuditsClosed(Address account, long amount, long atUs) implements Event {}

  /// The pool's money is another from now on.
  ///
  /// @param purses on the chain, ordered; none for credits
  /// @param block up to where the chain was read; 0 for credits
  record MoneyAdopted(Money money, List<ChainPurse> purses, long block, long blockUs, long atUs)
      implements Event {}

  /// A consumer's voucher counts.
  record VoucherTaken(Voucher voucher, long atUs) implements Event {}

  /// A purse on the chain is now this. What came in is in the consumer's account, what left is not.
  record PurseSeen(ChainPurse purse, long block, long atUs) implements Event {}

  /// A payee has got this much in all.
  record PaidSeen(Address payee, long total, long block, long atUs) implements Event {}

  /// The chain is known up to this block.
  record BlockSeen(long block, long blockUs, long atUs) implements Event {}

  /// A payment was taken ahead.
  record PaymentTaken(Address payer, long amount, Hash payment, long atUs) implements Event {}

  /// What was left of it moved to what the payer is due.
  record PaymentReturned(Address payer, long amount, long atUs) implements Event {}

  /// A payment that was taken is not there after all, because the chain went another way. What was
  /// left of it is not the payer's any more; the rest is the pool's loss.
  ///
  /// @param amount of the payment, as it was taken
  /// @param left what of the payer's money is taken back
  record PaymentReversed(Address payer, Hash payment, long amount, long left, long atUs)
      implements Event {}

  /// What a leaving or idle consumer's voucher promises beyond what was spent moved to what it is
  /// due.
  record ExcessReturned(Address consumer, long amount, long atUs) implements Event {}

  /// An epoch was closed: this is redeemed, paid and committed to.
  record EpochClosed(Epoch epoch) implements Event {}

  /// The closed epoch was settled.
  record EpochConfirmed(
      long epoch,
      long redeemed,
      List<Address> skipped,
      List<Address> failedPushes,
      Hash txHash,
      long block,
      long gas,
      long atUs)
      implements Event {}

  /// The closed epoch is not settled, and open again.
  record EpochReopened(long epoch, List<Address> denied, String reason, long atUs)
      implements Event {}

  /// A consumer of credits will leave.
  record ExitAsked(Address consumer, long leavingAtUs, long atUs) implements Event {}

  /// It stays.
  record ExitCancelled(Address consumer, long atUs) implements Event {}

  /// It left with this amount.
  record Exited(Address consumer, long amount, long atUs) implements Event {}

  /// A command was refused.
  ///
  /// @param what the command's name
  /// @param by who asked, or the zero address
  record Refused(String what, Address by, Rejection rejection, long atUs) implements Event {}

  /// What becomes of a task after an attempt.
  enum Next {
    /// The task is done; what waits for it moves on.
    DONE,
    /// The task is ready again and will be tried elsewhere.
    RETRY,
    /// The task failed for good, and with it the job.
    FAILED,
    /// The job is over already; nothing follows.
    OVER,
    /// The result does not count yet and nothing is paid: [TaskJudged] says what becomes of it, or
    /// the end of the job, at which it is paid.
    CHECK,
    /// The task's inputs were found wrong, or are in doubt and it failed: the attempt is paid, and
    /// the task runs again once they are right.
    STALE,
    /// Another attempt at the task was first: this one is paid for what it did, and counts for
    /// nothing.
    SPARE,
    /// Another attempt at the task was first, and this one claims to have used more gas than that
    /// needed for all of it: it is not paid, and counts for nothing.
    OVERSTATED
  }

  /// Why a result is checked, or is not.
  enum CheckReason {
    /// The job asks for it.
    POLICY,
    /// Little is known of the provider yet.
    NEWCOMER,
    /// By lot.
    DRAWN,
    /// By lot, not.
    NOT_DRAWN,
    /// A failure ends the job, so it is always checked.
    FAILURE,
    /// Not, because nobody else could run it.
    NOBODY_ELSE,
    /// Not, because the budget would not do for the rest of the job.
    BUDGET,
    /// The task is native: nothing that is believed of its provider says that it is right.
    NATIVE
  }

  /// The state of a job.
  enum JobState {
    /// Accepted and not ended.
    RUNNING,
    /// Every task is done.
    DONE,
    /// A task failed for good.
    FAILED,
    /// The consumer or the operator cancelled it.
    CANCELLED
  }
}
