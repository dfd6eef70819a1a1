package dev.perseid.core;

/// Every limit of the core, in one place.
public final class Limits {
  /// Tasks of one job.
  public static final int JOB_TASKS = 200_000;

  /// Kinds of one job.
  public static final int JOB_KINDS = 4_096;

  /// Edges (inputs from tasks, and `after`) of one job.
  public static final int JOB_EDGES = 2_000_000;

  /// Outputs that the tasks of one job declare together.
  public static final int JOB_OUTPUTS = 2_000_000;

  /// Bytes of one job's specification, about as encoded.
  public static final long JOB_SPEC_BYTES = 64L << 20;

  /// Characters of a job's name.
  public static final int JOB_NAME_CHARS = 128;

  /// Priorities go from minus this to this.
  public static final int PRIORITY = 100;

  /// Credits in existence, microcredits: a million million credits.
  public static final long CREDITS = 1_000_000_000_000_000_000L;

  /// Characters of the name of a kind or an offer.
  public static final int KIND_NAME_CHARS = 64;

  /// Bytes of a module.
  public static final long MODULE_BYTES = 256L << 20;

  /// Bytes of one blob.
  public static final long BLOB_BYTES = 1L << 40;

  /// Cores that one task may reserve.
  public static final int TASK_CORES = 1_024;

  /// Inputs of one task.
  public static final int TASK_INPUTS = 4_096;

  /// Outputs of one task.
  public static final int TASK_OUTPUTS = 4_096;

  /// Characters of a task's arguments.
  public static final int ARGS_CHARS = 4_096;

  /// Characters of a task's own name.
  public static final int TASK_NAME_CHARS = 128;

  /// How long a job may prefer to wait rather than pay a credit more: a year.
  public static final long THRIFT_MS = 365L * 24 * 3_600_000;

  /// How long it may prefer to wait rather than have a task use a kilowatt hour or emit a kilogram
  /// more: a year for a thousandth of it.
  public static final long THRIFT_MS_OF_ENERGY = THRIFT_MS * 1_000;

  /// What a core in use is taken to need where no record says it, milliwatts: more than most do, so
  /// that nobody is preferred for having said nothing.
  public static final long UNKNOWN_MW = 20_000;

  /// What a kilowatt hour is taken to emit where that is not known, grams of carbon dioxide: what
  /// the dirtiest grids do.
  public static final int UNKNOWN_G_PER_KWH = 1_000;

  /// The most that a kilowatt hour may be said to emit, grams of carbon dioxide.
  public static final int G_PER_KWH = 5_000;

  /// As much energy of one attempt counts, microjoules: 278 kilowatt hours.
  public static final long ENERGY_UJ = 1_000_000_000_000_000L;

  /// Within how long a job may ask to be done: a year.
  public static final long DEADLINE_MS = 365L * 24 * 3_600_000;

  /// Attempts of one task.
  public static final int ATTEMPTS = 10;

  /// Running jobs that are looked at in a turn for attempts that take too long, from one drawn at
  /// random on, and of each so many of its oldest leases for which somebody is free who is faster.
  public static final int COPY_JOBS_LOOKED_AT = 64;

  /// See [#COPY_JOBS_LOOKED_AT].
  public static final int COPY_LEASES_LOOKED_AT = 32;

  /// Leases of a job among which those are sought, as not every lease can have a copy.
  public static final int COPY_LEASES_LOOKED_OVER = 256;

  /// By how much sooner a second attempt must be expected to end than the first.
  public static final long COPY_GAIN_MS = 1_000;

  /// After so many attempts at a task none is made beside another.
  public static final int COPY_ATTEMPTS = 20;

  /// Providers that must agree on a result, at most.
  public static final int VERIFICATION_AGREE = 5;

  /// What a wrong result costs a consumer, at most, in prices of the task.
  public static final int VERIFICATION_HARM = 1_000_000;

  /// What providers may say of one task before it is given up that they agree.
  public static final int VERIFICATION_VOTES = 9;

  /// Providers that are looked at for a check, from one drawn at random on, before the best one is
  /// taken.
  public static final int CHECKERS_LOOKED_AT = 64;

  /// Tasks of the jobs that are done and can be looked at again if one of their providers is found
  /// out; the jobs that ended first are dropped first.
  public static final int REVIEWABLE_TASKS = 250_000;

  /// Bytes of their specifications.
  public static final long REVIEWABLE_SPEC_BYTES = 64L << 20;

  /// After so long nothing is looked at again, nor a consumer's money reserved for it.
  public static final long REVIEWABLE_MS = 7L * 24 * 3_600_000;

  /// What a provider cannot spend or be paid while results count on its word alone, in prices of
  /// such a result: what it loses when it is found out.
  public static final int RETAINED_PRICES = 10;

  /// Attempts of one task, those that nobody is to blame for (drained providers) included.
  public static final int ATTEMPTS_IN_ALL = 100;

  /// Gas of one attempt.
  public static final long GAS = 1_000_000_000_000_000L;

  /// Linear memory of one task: what 32-bit WebAssembly can address.
  public static final long TASK_MEMORY_BYTES = 4L << 30;

  /// Memory of one native task.
  public static final long NATIVE_MEMORY_BYTES = 1L << 40;

  /// Outputs of one attempt of a native task together, where results are compared by more than
  /// their hashes.
  public static final long COMPARED_BYTES = 64L << 20;

  /// Lines of an output that is compared line by line; with more it is like no other.
  public static final int COMPARED_LINES = 1_000_000;

  /// Outputs of one attempt together.
  public static final long OUTPUT_BYTES = 16L << 30;

  /// Wall time of one attempt.
  public static final long WALL_LIMIT_MS = 7L * 24 * 3600 * 1000;

  /// Tasks that wait or run in the pool, over all jobs; more are refused with OVERLOADED.
  public static final int LIVE_TASKS = 4_000_000;

  /// Bytes of the specifications of all jobs that run at once.
  public static final long LIVE_SPEC_BYTES = 1L << 30;

  /// Jobs that run at once.
  public static final int LIVE_JOBS = 10_000;

  /// Providers known at once.
  public static final int PROVIDERS = 10_000;

  /// Offers that are remembered, outdated ones included.
  public static final int OFFERS = 20_000;

  /// Characters of an offer's machine description.
  public static final int MACHINE_CHARS = 256;

  /// Characters of an offer's region.
  public static final int REGION_CHARS = 32;

  /// Who has been gone for so long is not waited for to check what nobody else could.
  public static final long COMES_BACK_WITHIN_MS = 10L * 60_000;

  /// Providers that are measured at once; the others wait, and work meanwhile.
  public static final int MEASURED_AT_ONCE = 64;

  /// Of these, and of those that are asked to end their leases first, as many as come from one
  /// network: nobody who has many keys keeps others from being measured by being slow with all.
  public static final int MEASURED_OF_NETWORK = 16;

  /// Refuted results for which a provider's bond is yet to pay; beyond them little is left of it.
  public static final int PENALTIES = 64;

  /// Providers that are looked at for whether they can be measured now.
  public static final int MEASURED_LOOKED_AT = 256;

  /// Providers among which those are sought, as not every network has room for one more.
  public static final int MEASURED_LOOKED_OVER = 4_096;

  /// Who may have a lease for longer than this is not asked to end it so as to be measured.
  public static final long MEASURED_SOON_MS = 10L * 60_000;

  /// About how long after a measurement a provider is measured again: half of it to one and a half
  /// times as long, drawn at random.
  public static final long MEASURED_AFTER_MS = 24L * 3_600_000;

  /// The same for who did not show all that it declares.
  public static final long MEASURED_AGAIN_AFTER_MS = 20L * 60_000;

  /// Characters of the network from which a provider comes.
  public static final int NETWORK_CHARS = 64;

  /// Tasks of thrifty jobs that one round finds to wait, all in all, and of one job and shape; the
  /// later ones of these stand for twice as many each.
  public static final int THRIFTY_LOOKED_AT = 1_024;

  /// See [#THRIFTY_LOOKED_AT].
  public static final int THRIFTY_OF_ONE = 24;

  /// Of the cheapest providers, of those that need the least energy and of those whose energy emits
  /// the least that are looked over for so many of them.
  public static final int CHEAP_LOOKED_OVER = 256;

  /// Of these, on which it fits, so many are looked at for a task of a thrifty job.
  public static final int CHEAP_LOOKED_AT = 16;

  /// Cores of one provider.
  public static final int PROVIDER_CORES = 65_536;

  /// Memory of one provider.
  public static final long PROVIDER_MEMORY_BYTES = 1L << 50;

  /// GPUs of one provider, and that one task may reserve.
  public static final int GPUS = 64;

  /// Memory of one GPU.
  public static final long GPU_MEMORY_BYTES = 1L << 44;

  /// Providers with free GPUs that are looked at for one task: the fastest of them gets it.
  public static final int GPUS_LOOKED_AT = 64;

  /// Providers with free GPUs that are looked over for so many on which it fits, and providers for
  /// one whose GPUs are kept.
  public static final int GPUS_LOOKED_OVER = 4_096;

  /// How often one round keeps a provider's GPUs for a task that needs several.
  public static final int GPUS_KEPT = 8;

  /// Lanes of links that all GPUs of a provider make at once when they are measured.
  public static final int MEASURED_GPU_LANES = 65_536;

  /// Chunks that are filled at once when memory is measured.
  public static final int MEASURED_CHUNKS = 4_096;

  /// Words that are read for each of them.
  public static final int WALKS_PER_CHUNK = 16;

  /// Each price of an offer, microcredits: a million credits for each unit.
  public static final long PRICE = 1_000_000_000_000L;

  /// Accounts.
  public static final int ACCOUNTS = 10_000_000;

  /// Leases that one provider may hold at once.
  public static final int PROVIDER_LEASES = 4_096;

  /// Work that is leased to a provider ahead of time, so that it never waits for the pool.
  public static final long LEASE_AHEAD_MS = 200;

  /// A kind whose tasks end faster is treated as if they took this long: leasing, signing and
  /// recording take their time too.
  public static final long SHORTEST_TASK_US = 100;

  /// What a lease may take beyond its wall limit and the longest wall limit of what its provider
  /// had before it (it may wait in the provider's queue). After that it counts as lost.
  public static final long LEASE_GRACE_MS = 120_000;

  /// By how much more than its lease has been open a native task may be said to have run: so much,
  /// and a part of that time. Clocks differ, and are slowed down to be set.
  public static final long WALL_SLACK_US = 1_000_000;

  /// See [#WALL_SLACK_US].
  public static final int WALL_SLACK_PART = 20;

  /// Overdue leases ended by one Schedule, and overdue jobs.
  public static final int EXPIRED_AT_ONCE = 1_024;

  /// Tasks that one round lets wait for a faster provider.
  public static final int WAITS_LOOKED_AT = 256;

  /// A blob of so many bytes takes a while to fetch: it matters who has it.
  public static final long LARGE_BLOB_BYTES = 1L << 20;

  /// Large blobs of which it is remembered who has them.
  public static final int HELD_BLOBS = 65_536;

  /// Of one blob the last ones that had it.
  public static final int HOLDERS = 4;

  /// Inputs of one task that are looked at for whether they are large.
  public static final int INPUTS_LOOKED_AT = 256;

  /// Of those that are, so many count: the largest.
  public static final int HELD_INPUTS = 32;

  /// Providers that are looked at for one task because they have some of what it reads.
  public static final int HOLDERS_LOOKED_AT = 16;

  /// What a provider is taken to fetch in a second, as long as no record says more: a line of 100
  /// megabits.
  public static final long USUAL_BYTES_PER_S = 12_500_000;

  /// The fastest providers that are looked at for whether a task had better wait for one.
  public static final int FAST_LOOKED_AT = 16;

  /// Tasks to be tried again that are looked at for one assignment: each may have to wait for
  /// another provider, and then the fresh tasks of the job pass them.
  public static final int RETRIES_LOOKED_AT = 16;

  /// Reports in one command.
  public static final int BATCH_REPORTS = 1_024;

  /// Characters of a reason or memo.
  public static final int REASON_CHARS = 512;

  /// Ended jobs whose summary is kept in the state; older ones are in the record store only.
  public static final int ENDED_JOBS = 10_000;

  /// Characters of the engine and isolation of a report, and of how energy was obtained.
  public static final int ENGINE_CHARS = 128;

  /// Characters of a signature as hexadecimal digits.
  public static final int SIGNATURE_CHARS = 132;

  /// Result blobs kept in the summaries of ended jobs together; the oldest summaries go first.
  public static final int ENDED_RESULTS = 1_000_000;

  /// Characters of a model's name.
  public static final int MODEL_NAME_CHARS = 96;

  /// Characters of a model's version, format or quantisation.
  public static final int MODEL_WORD_CHARS = 32;

  /// Characters of a model's licence, or of an offer's backend.
  public static final int MODEL_TEXT_CHARS = 64;

  /// Characters of the endpoint of a model offer.
  public static final int ENDPOINT_CHARS = 256;

  /// Versions of models that a pool lists.
  public static final int MODELS = 100_000;

  /// Versions of models of one author.
  public static final int MODELS_OF_ONE = 1_000;

  /// Models that one provider offers at once.
  public static final int MODEL_OFFERS_OF_ONE = 256;

  /// Model offers that are remembered, outdated ones included.
  public static final int MODEL_OFFERS = 40_000;

  /// Model offers of all providers that are in force at once.
  public static final int MODEL_OFFERS_IN_FORCE = MODEL_OFFERS / 2;

  /// Model offers of one provider that are remembered, outdated ones included.
  public static final int MODEL_OFFERS_REMEMBERED_OF_ONE = 4 * MODEL_OFFERS_OF_ONE;

  /// Parameters of a model.
  public static final long MODEL_PARAMETERS = 1_000_000_000_000_000L;

  /// Tokens of a context.
  public static final int CONTEXT_TOKENS = 1 << 30;

  /// Requests that one offer may answer at once.
  public static final int OFFER_PARALLEL = 65_536;

  /// An author's royalty, in thousandths of a charge.
  public static final int ROYALTY_PERMILLE = 500;

  /// A pool's share, in thousandths of a charge.
  public static final int POOL_PERMILLE = 500;

  /// API keys of one account.
  public static final int API_KEYS_OF_ONE = 100;

  /// API keys of all accounts.
  public static final int API_KEYS = 1_000_000;

  /// Characters of an API key's name.
  public static final int API_KEY_NAME_CHARS = 64;

  /// Models that an API key names.
  public static final int API_KEY_MODELS = 32;

  /// API keys in a line, each made with the one before.
  public static final int API_KEY_DEPTH = 8;

  /// Characters of the id of a request to a model.
  public static final int REQUEST_ID_CHARS = 64;

  /// Providers and models of which something is known by audits. The least recent are forgotten,
  /// cheats are not.
  public static final int CONDUCTS = 20_000;

  /// Readers of one provider's answers of one model whose word is kept, the pool included.
  public static final int AUDIT_READERS = 8;

  /// Signs of one audit.
  public static final int AUDIT_SIGNS = 16;

  /// Characters of a sign's name.
  public static final int AUDIT_SIGN_CHARS = 16;

  /// Numbers of the sequential tests of one reader.
  public static final int AUDIT_TESTS = 256;

  /// Accounts out of which audits are paid, at once.
  public static final int AUDIT_ACCOUNTS = 1_024;

  /// Characters of a voucher's signature as hexadecimal digits; contracts may have long ones.
  public static final int VOUCHER_SIGNATURE_CHARS = 2_050;

  /// Vouchers of one consumer above what it has spent that are kept: who pays request by request
  /// signs one for each.
  public static final int VOUCHER_RUNGS = 64;

  /// Vouchers of one epoch. With the pushes it makes a transaction of less than 16,777,216 gas
  /// (EIP-7825).
  public static final int EPOCH_VOUCHERS = 1_200;

  /// Payouts that are sent with one settlement.
  public static final int EPOCH_PUSHES = 200;

  /// Payees of one epoch: who is due least waits for a later one.
  public static final int EPOCH_PAYEES = 65_536;

  /// Payments taken ahead whose names are remembered, so that none counts twice.
  public static final int PAYMENTS = 100_000;

  /// From asking to leave until the money can go, as in the contract: an epoch of one day, an
  /// outage of two, and one more.
  public static final long EXIT_DELAY_MS = 4L * 24 * 3_600_000;

  /// How old the newest block that was read may be before vouchers buy nothing new: whoever asked
  /// to leave meanwhile is not known. Far less than the exit's delay without an outage of two days.
  public static final long CHAIN_BLIND_MS = 6L * 3_600_000;

  /// How long before its money may leave a consumer's vouchers are redeemed for what still runs,
  /// too.
  public static final long LEAVING_URGENT_MS = 24L * 3_600_000;

  /// After so long in which more was spent than any voucher within it covers, a higher one is
  /// redeemed. If there was no charge either and nothing runs, what is beyond is paid back to its
  /// consumer.
  public static final long IDLE_PURSE_MS = 7L * 24 * 3_600_000;

  /// Blocks closer than this to the last one noted are not noted: the log would grow for nothing.
  public static final long BLOCK_NOTED_MS = 60_000;

  private Limits() {}
}
