package dev.perseid.core;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What the pool knows: the fold of its events.
///
/// Owned by one thread. [#apply] changes it in place; its meaning is `apply(state, event) ->
/// state`. There is no clock, file, thread, randomness or hash order in here: the same events make
/// the same state, and the same commands at the same times make the same events. A job that was
/// handed in must not be changed afterwards.
public final class Pool {
  private final State state;

  private Pool(State state) {
    this.state = state;
  }

  /// The pool named `self` before its first event.
  public static Pool empty(Address self) {
    return new Pool(new State(self));
  }

  /// Decides a command and applies what follows: one step is decided, its event applied, then the
  /// next step. A refused command is one `Refused` event. An empty list means that there was
  /// nothing to do: the same job again, a drain twice, no assignment possible, a doubled report.
  ///
  /// @param nowUs microseconds since the epoch by the pool's clock; where that was set back, also
  ///   over a restart, the time of the last event counts, so that time in the log never runs
  ///   backwards
  /// @param effects what the outside must do is appended here, to be carried out only once the
  ///   events are durable. Some answers ("forget this lease", "here is your lease again") follow
  ///   from no event and come even with an empty list
  /// @return what happened, in order
  public List<Event> execute(Command c, long nowUs, List<Effect> effects) {
    List<Event> events = new ArrayList<>();
    long notBackUs = Math.max(nowUs, state.lastUs);
    new Decision(state, notBackUs, events, effects).execute(c);
    return events;
  }

  /// Replays one event. All effects are appended; a host that replays carries out `StoreBatch`,
  /// `StoreEntry` and `StoreMovement` only. Throws IllegalStateException for an event that cannot
  /// follow.
  public void apply(Event e, List<Effect> effects) {
    state.apply(e, effects);
  }

  /// Writes the whole state: versioned, with a checksum for each part, never all in memory at once.
  /// O(live tasks + summaries).
  public void snapshot(DataOutput out) throws IOException {
    Snapshot.write(state, out);
  }

  /// Reads what [#snapshot] wrote. Throws [MalformedException] if it is damaged.
  public static Pool restore(DataInput in) throws IOException {
    return new Pool(Snapshot.read(in));
  }

  /// SHA-256 of the snapshot's bytes: equal for equal states.
  public Hash digest() {
    MessageDigest sha256 = Hash.digest();
    try (DataOutputStream out =
        new DataOutputStream(new DigestOutputStream(OutputStream.nullOutputStream(), sha256))) {
      snapshot(out);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return Hash.of(sha256.digest());
  }

  /// This pool's own address.
  public Address self() {
    return state.self;
  }

  /// A job by its id. O(1).
  public Optional<JobView> job(JobId id) {
    return Optional.ofNullable(state.jobsById.get(id)).map(state::view);
  }

  /// The newest jobs first; of one consumer, or of all where it is null. O(jobs).
  public List<JobView> jobs(@Nullable Address consumer, int limit) {
    List<JobView> found = new ArrayList<>();
    for (Job job : state.jobs.descendingMap().values()) {
      if (found.size() >= limit) {
        break;
      }
      if (consumer == null || consumer.equals(job.consumer)) {
        found.add(state.view(job));
      }
    }
    return found;
  }

  /// A provider by its address.
  public Optional<ProviderView> provider(Address address) {
    return Optional.ofNullable(state.providersByAddress.get(address)).map(state::view);
  }

  /// All providers that are known, gone ones included, in the order in which they first joined.
  public List<ProviderView> providers() {
    return state.providers.values().stream().map(state::view).toList();
  }

  /// Free credits of an account, microcredits; 0 for one that does not exist.
  public long balance(Address account) {
    Account found = state.ledger.find(account);
    return found == null ? 0 : found.balance;
  }

  /// Credits of an account that are reserved for its jobs and on its tab, microcredits.
  public long reserved(Address account) {
    Account found = state.ledger.find(account);
    return found == null ? 0 : found.reserved;
  }

  /// All that came in and did not leave again, microcredits: of credits what was ever granted.
  public long issued() {
    return -state.ledger.issuance.balance;
  }

  /// All accounts, free, reserved, on tabs and due, losses and issuance together: always 0.
  /// O(accounts + jobs).
  public long sumOfAccounts() {
    long sum = state.ledger.issuance.balance + state.treasury.losses.balance;
    for (Account account : state.ledger.accounts().values()) {
      sum += account.balance + account.due;
    }
    for (Job job : state.jobs.values()) {
      sum += job.reservation.balance;
    }
    for (Account tab : state.market.tabs.values()) {
      sum += tab.balance;
    }
    return sum;
  }

  /// When the last event happened, by the pool's clock; 0 before the first.
  public long lastUs() {
    return state.lastUs;
  }

  /// An open lease in full, so that its record's digest can be computed again; empty once it ended.
  public Optional<Lease> lease(long id) {
    return Optional.ofNullable(state.leases.get(id)).map(state::lease);
  }

  /// An offer by its EIP-712 digest: those in force, those of open leases, and the most recent
  /// others.
  public Optional<Offer> offer(Hash offerHash) {
    return Optional.ofNullable(state.offers.get(offerHash)).map(row -> row.offer);
  }

  /// The outputs of a task that is done, else empty. Of an ended job only those are kept that its
  /// consumer wanted; they come in the order of the job's results.
  public List<Blob> outputs(JobId id, int task) {
    Job job = state.jobsById.get(id);
    if (job == null || task < 0 || task >= job.tasks) {
      return List.of();
    }
    Graph graph = job.graph;
    if (graph == null) {
      return job.results.stream().filter(r -> r.task() == task).map(Result::blob).toList();
    }
    if (graph.state[task] != Graph.DONE) {
      return List.of();
    }
    return graph.outputs(task);
  }

  /// The outputs that the job's consumer wants and that exist by now, in the order in which it
  /// named them.
  public List<Result> results(JobId id) {
    Job job = state.jobsById.get(id);
    if (job == null) {
      return List.of();
    }
    return job.graph == null ? job.results : job.graph.results();
  }

  /// The specification of a job that runs or has open leases; an ended job's is not kept.
  public Optional<JobSpec> spec(JobId id) {
    Job job = state.jobsById.get(id);
    return job == null || job.graph == null ? Optional.empty() : Optional.of(job.graph.spec);
  }

  /// Why is it not running, not placed, or failed? Never fails: what is unknown is said.
  ///
  /// @param taskName the task's name; null or empty for the job as a whole
  public Answer why(JobId id, @Nullable String taskName, long nowUs) {
    return new Why(state, nowUs).answer(id, taskName);
  }

  /// What must be compared and was not yet: what [Effect.Compare] asked for before a restart.
  /// O(jobs
  /// + tasks that are checked).
  public List<Effect.Compare> comparisons() {
    List<Effect.Compare> found = new ArrayList<>();
    for (Job job : state.jobs.values()) {
      if (job.isRunning()) {
        job.graph()
            .checks
            .forEach((task, check) -> {
              if (check.isComparing()) {
                found.add(State.comparison(job, task, check));
              }
            });
      }
    }
    return found;
  }

  /// What is believed of a provider's results, and what would make it more. Never fails.
  public Answer why(Address provider, long nowUs) {
    return new Why(state, nowUs).about(provider);
  }

  /// How many records were made.
  public long records() {
    return state.records;
  }

  /// How many batches were signed.
  public long batches() {
    return state.batches;
  }

  /// How many jobs were accepted.
  public long jobsAccepted() {
    return state.nextJob;
  }

  /// All published versions of models, withdrawn ones included, oldest first.
  public List<ModelView> models() {
    return state.market.views();
  }

  /// A published version by its manifest's hash.
  public Optional<ModelView> model(Hash manifest) {
    return Optional.ofNullable(state.market.models.get(manifest)).map(ModelMarket.ModelRow::view);
  }

  /// What all providers offer now, by provider.
  public List<SignedModelOffer> modelOffers() {
    return state.market.inForce.values().stream().flatMap(List::stream).toList();
  }

  /// A model offer by its digest: those in force and the most recent others.
  public Optional<SignedModelOffer> modelOffer(Hash offerHash) {
    return Optional.ofNullable(state.market.offers.get(offerHash));
  }

  /// What a consumer has set aside for requests to models, microcredits.
  public long tab(Address consumer) {
    return state.market.onTab(consumer);
  }

  /// Who has a tab.
  public List<Address> tabs() {
    return List.copyOf(state.market.tabs.navigableKeySet());
  }

  /// For whom an API key stands.
  public Optional<ApiKeyView> apiKey(Hash keyHash) {
    return Optional.ofNullable(state.keys.find(keyHash)).map(KeyRing.Row::view);
  }

  /// All API keys; of one account, or of all where it is null. O(keys).
  public List<ApiKeyView> apiKeys(@Nullable Address account) {
    return state.keys.rows(account).stream().map(KeyRing.Row::view).toList();
  }

  /// What is known by audits: the newest notes of each reader about each provider and model.
  public List<AuditNote> audited() {
    return state.conducts.all();
  }

  /// The same of one provider's serving of one model.
  public List<AuditNote> audited(Address provider, Hash model) {
    return state.conducts.of(provider, model);
  }

  /// The accounts out of which audits are paid, ordered.
  public List<Address> auditAccounts() {
    return List.copyOf(state.conducts.accounts);
  }

  /// What this pool's money is, and what a voucher must be signed for.
  public Money money() {
    return state.treasury.money;
  }

  /// What an account holds; all zero for one that does not exist.
  public AccountView account(Address account) {
    Account found = state.ledger.find(account);
    return found == null ? new AccountView(account, 0, 0, 0, 0) : view(account, found);
  }

  /// All accounts, ordered. O(accounts).
  public List<AccountView> accounts() {
    return state.ledger.accounts().entrySet().stream()
        .map(e -> view(e.getKey(), e.getValue()))
        .toList();
  }

  private static AccountView view(Address address, Account a) {
    return new AccountView(address, a.balance, a.reserved, a.due, a.paid);
  }

  /// What backs a consumer's spending, where vouchers are asked for; empty if it has or had
  /// nothing.
  public Optional<PurseView> purse(Address consumer) {
    Account found = state.ledger.find(consumer);
    return found == null || found.purse == null
        ? Optional.empty()
        : Optional.of(found.purse.view(consumer));
  }

  /// Who has a purse, ordered. O(accounts).
  public List<Address> purses() {
    return state.ledger.accounts().entrySet().stream()
        .filter(e -> e.getValue().purse != null)
        .map(Map.Entry::getKey)
        .toList();
  }

  /// What a consumer should sign next so that what waits of its jobs goes on. O(jobs).
  public Wanted wanted(Address consumer) {
    Account account = state.ledger.find(consumer);
    long more = 0;
    if (account != null && account.purse != null) {
      for (Job job : state.jobs.values()) {
        if (job.payer == account && job.isRunning() && job.ready > 0) {
          long hold = Round.nextHold(state, job);
          more = more == 0 || hold == 0 ? Math.max(more, hold) : Math.min(more, hold);
        }
      }
    }
    return state.treasury.wanted(consumer, account, more);
  }

  /// What a consumer should sign so that something else that may cost `more` microcredits can begin
  /// beside what runs.
  public Wanted wanted(Address consumer, long more) {
    return state.treasury.wanted(consumer, state.ledger.find(consumer), more);
  }

  /// Whether vouchers buy something new: on a chain not if it has not been seen for too long
  /// ([Limits#CHAIN_BLIND_MS]).
  public boolean trustsVouchers(long nowUs) {
    return state.treasury.trusts(nowUs);
  }

  /// The last epoch that was confirmed; 0 if none was.
  public long epoch() {
    return state.treasury.epoch;
  }

  /// The epoch that is closed and not confirmed yet: what must be settled, however often it is
  /// tried.
  public Optional<Epoch> closedEpoch() {
    return Optional.ofNullable(state.treasury.closed);
  }

  /// The block up to which the chain has been told.
  public long block() {
    return state.treasury.block;
  }

  /// Payments taken ahead that are not in the pool's own purse yet, microcredits.
  public long taken() {
    return state.treasury.taken;
  }

  /// All that was redeemed by vouchers, microcredits.
  public long earned() {
    return state.treasury.earned;
  }

  /// All that was paid out, microcredits.
  public long paidOut() {
    return state.treasury.paid;
  }

  /// What was spent by consumers that took it out before it was redeemed, microcredits.
  public long lost() {
    return -state.treasury.losses.balance;
  }

  /// How many movements there were: the number of the next.
  public long movements() {
    return state.treasury.movements;
  }
}
