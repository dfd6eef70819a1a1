package dev.perseid.sim;

import java.util.Locale;

/// What became of one world in which no rule was broken.
///
/// @param seed its seed
/// @param happenings how much happened
/// @param events events in the pool's log
/// @param records attempts that were recorded
/// @param lost attempts that were recorded as LOST
/// @param refused attempts that were recorded as REFUSED
/// @param copies attempts that were begun while another at the same task ran
/// @param onGpus attempts at tasks that reserved GPUs which were done
/// @param refusals commands that the pool refused
/// @param done,failed,cancelled jobs that ended like this
/// @param tasksDone tasks that were done
/// @param judged tasks of which several providers spoke before they counted
/// @param refuted records that were found wrong by that
/// @param doubted results that were looked at again after their provider was found out
/// @param replaced of these, results that turned out to be others
/// @param requests requests to models that were recorded
/// @param paidForRequests what they cost, microcredits
/// @param vouchers vouchers that the pool took
/// @param epochs epochs that were settled
/// @param restarts how often the pool came back from its log
/// @param virtualUs how long it took in virtual time
/// @param calmUs how much of that after the last fault
/// @param digest of everything that happened, in order
record Verdict(
    long seed,
    long happenings,
    long events,
    long records,
    long lost,
    long refused,
    long copies,
    long onGpus,
    long refusals,
    long done,
    long failed,
    long cancelled,
    long tasksDone,
    long judged,
    long refuted,
    long doubted,
    long replaced,
    long requests,
    long paidForRequests,
    long vouchers,
    long epochs,
    long restarts,
    long virtualUs,
    long calmUs,
    String digest) {
  /// One line for people.
  String line() {
    return String.format(
        Locale.ROOT,
        "seed %d: %d happenings, %d events, %d records (%d lost, %d refused, %d copies, %d on GPUs), jobs %d done %d failed"
            + " %d cancelled, %d tasks done, %d judged, %d records refuted, %d results looked at"
            + " again and %d of them replaced, %d requests, %d vouchers, %d epochs, %d refusals, %d"
            + " restarts, %.1f s of virtual time (%.1f s calm), trace %s",
        seed,
        happenings,
        events,
        records,
        lost,
        refused,
        copies,
        onGpus,
        done,
        failed,
        cancelled,
        tasksDone,
        judged,
        refuted,
        doubted,
        replaced,
        requests,
        vouchers,
        epochs,
        refusals,
        restarts,
        virtualUs / 1e6,
        calmUs / 1e6,
        digest);
  }
}
