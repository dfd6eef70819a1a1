package dev.perseid.core;

import java.util.OptionalLong;

/// What can be seen of a job. Tasks that are in none of the five counts were cancelled with it.
///
/// @param id the job
/// @param number its number in the pool, from 0
/// @param name for people
/// @param consumer who pays
/// @param priority from -100 to 100
/// @param state running or how it ended
/// @param reason why it ended, empty while it runs or when it is done
/// @param tasks how many tasks it has
/// @param waiting tasks that wait for another task
/// @param ready tasks that wait for a provider
/// @param leased tasks that a provider has
/// @param done tasks that are done
/// @param failed tasks that failed for good
/// @param attempts attempts that ended, each with a record
/// @param copies attempts that were begun while another at the same task ran
/// @param budget what was reserved, microcredits
/// @param charged what was paid to providers, microcredits
/// @param submittedUs when it was accepted, microseconds since the epoch by the pool's clock
/// @param endedUs when it ended, likewise
/// @param etaUs when it may end, likewise; absent as long as there is no basis for an estimate
/// @param voucher the voucher that its consumer must sign for it to go on, microcredits in all;
///   absent if none is missing
/// @param results on whose word its results count
/// @param footprint what its attempts used and emitted
public record JobView(
    JobId id,
    int number,
    String name,
    Address consumer,
    int priority,
    Event.JobState state,
    String reason,
    int tasks,
    int waiting,
    int ready,
    int leased,
    int done,
    int failed,
    long attempts,
    int copies,
    long budget,
    long charged,
    long submittedUs,
    OptionalLong endedUs,
    OptionalLong etaUs,
    OptionalLong voucher,
    Results results,
    Footprint footprint) {
  /// On whose word the results of a job count, where its policy asks.
  ///
  /// @param agreed results on which several providers agree
  /// @param alone results that count on one provider's word
  /// @param refuted records that were found wrong
  /// @param reviewed how many times a result that counted on the word of a provider that was found
  ///   out since was looked at again
  /// @param replaced of these, results that turned out to be others
  /// @param doubtful of these, results that count still, as nobody else could run the task
  /// @param redone tasks that ran again because an input was replaced
  /// @param reopened how often the job ran again after it had ended
  /// @param reversed what was taken back from providers that were found out, microcredits
  public record Results(
      int agreed,
      int alone,
      int refuted,
      int reviewed,
      int replaced,
      int doubtful,
      int redone,
      int reopened,
      long reversed) {}
}
