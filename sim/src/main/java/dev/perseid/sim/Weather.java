package dev.perseid.sim;

/// What goes wrong in one world, and how often. Drawn from the seed, with many zeros, so that some
/// worlds are calm in most respects and a fault meets every other kind of fault somewhere.
///
/// Rates ending in `PerMyriad` are chances in ten thousand; pauses are mean times between two
/// faults of that kind in virtual microseconds, 0 for never.
///
/// @param providers how many providers
/// @param liars how many of them lie
/// @param consumers how many consumers
/// @param jobs how many jobs are submitted, wrong ones included
/// @param jobTasks the most tasks of one job
/// @param stormUs how long faults happen
/// @param latencyUs the longest that a message usually takes
/// @param harshPerMyriad chance that a message is delayed much, doubled, or overtakes others; 0:
///   each connection is a TCP stream
/// @param breakPerMyriad chance that a message breaks its connection
/// @param providerCrashUs,providerDrainUs,poolCrashUs pauses
/// @param vanishPerMyriad chance that a provider that crashed never returns
/// @param syncUs the longest that the disk usually takes to make a batch durable
/// @param stallPerMyriad chance that it takes a hundred times as long
/// @param snapshotPerMyriad chance of a snapshot after a batch
/// @param taskFailsPerMyriad chance that a task fails wherever it runs
/// @param attemptFailsPerMyriad chance that a provider fails an attempt
/// @param cancelPerMyriad chance that a job is cancelled
/// @param doublePerMyriad chance that a job is submitted twice
/// @param wrongPerMyriad chance that a submitted job is malformed
/// @param poorPerMyriad chance that a job's budget is too small
/// @param liePerMyriad chance that a liar twists a message
/// @param hangPerMyriad chance that an attempt does not end before it is stopped
/// @param cheatPerMyriad chance that a provider other than the first gives wrong results
/// @param verifyPerMyriad chance that a job asks for its results to be checked
/// @param boastPerMyriad chance that a provider other than the first declares more than it has; 0:
///   providers are not measured either
/// @param skewUs the most that a provider's wall clock is off
/// @param stepUs the most that the pool's wall clock is off after a restart
/// @param taskUs the longest run time of a task
record Weather(
    int providers,
    int liars,
    int consumers,
    int jobs,
    int jobTasks,
    long stormUs,
    long latencyUs,
    int harshPerMyriad,
    int breakPerMyriad,
    long providerCrashUs,
    long providerDrainUs,
    long poolCrashUs,
    int vanishPerMyriad,
    long syncUs,
    int stallPerMyriad,
    int snapshotPerMyriad,
    int taskFailsPerMyriad,
    int attemptFailsPerMyriad,
    int cancelPerMyriad,
    int doublePerMyriad,
    int wrongPerMyriad,
    int poorPerMyriad,
    int liePerMyriad,
    int hangPerMyriad,
    long skewUs,
    long stepUs,
    long taskUs,
    int cheatPerMyriad,
    int verifyPerMyriad,
    int boastPerMyriad) {

  private static final long SECOND_US = 1_000_000;

  /// The weather of one world.
  static Weather of(Dice dice) {
    return new Weather(
        1 + dice.below(dice.chance(5_000) ? 10 : 6),
        dice.chance(4_000) ? 1 + dice.below(3) : 0,
        1 + dice.below(3),
        1 + dice.below(20),
        dice.chance(1_000) ? 400 : 1 + dice.below(60),
        dice.between(10, 60) * SECOND_US,
        dice.skewed(100, 200_000),
        sometimes(dice, 3_000, 2_000),
        sometimes(dice, 6_000, 300),
        pause(dice, 6_000),
        pause(dice, 4_000),
        pause(dice, 6_000),
        sometimes(dice, 5_000, 3_000),
        dice.skewed(50, 50_000),
        sometimes(dice, 3_000, 500),
        sometimes(dice, 7_000, 2_000),
        sometimes(dice, 5_000, 100),
        sometimes(dice, 5_000, 1_500),
        sometimes(dice, 6_000, 8_000),
        sometimes(dice, 5_000, 5_000),
        sometimes(dice, 5_000, 5_000),
        sometimes(dice, 5_000, 3_000),
        sometimes(dice, 8_000, 6_000),
        sometimes(dice, 2_000, 200),
        dice.chance(5_000) ? dice.between(0, 86_400) * SECOND_US : 0,
        dice.chance(5_000) ? dice.between(0, 600) * SECOND_US : 0,
        dice.skewed(1_000, 5 * SECOND_US),
        sometimes(dice, 6_000, 6_000),
        sometimes(dice, 7_000, 10_000),
        sometimes(dice, 4_000, 6_000));
  }

  /// Whether providers are measured.
  boolean measures() {
    return boastPerMyriad > 0;
  }

  /// Whether the times that the pool takes say something about the machines that it measures.
  boolean isPunctual() {
    return harshPerMyriad == 0 && breakPerMyriad == 0 && latencyUs < SECOND_US / 50;
  }

  private static int sometimes(Dice dice, int perMyriad, int most) {
    return dice.chance(perMyriad) ? 1 + dice.below(most) : 0;
  }

  private static long pause(Dice dice, int perMyriad) {
    return dice.chance(perMyriad) ? dice.between(1, 20) * SECOND_US : 0;
  }
}
