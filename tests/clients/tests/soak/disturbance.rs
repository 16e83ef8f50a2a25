//! Who disturbs the clients of a card, and looks after its program.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use clients::{PIN, Random, SO_PIN, Station, Way};

use crate::client::Client;
use crate::place::{CLIENTS, Place};
use crate::{opensc, writer};

/// How long pcscd may take to see a card that has been put in.
const UNTIL_SEEN: Duration = Duration::from_secs(5);

/// What a program may need more in the last quarter than in the second, in bytes: the allocator's
/// arenas, of which each thread may take one.
const ROOM: u64 = 4 << 20;

/// What becomes of the card's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is the same from the beginning to the end.
    LivesOn,
    /// It is killed, or asked to end, and another takes up the card.
    IsKilled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Disturbance {
    ClientKilled,
    CardReset,
    CardTakenOut,
    CardKilled,
    CardEnded,
    PcscdKilled,
    /// pcscd does not notice every card that comes: that is no fault of the card's, which the
    /// driver has asked by then.
    PcscdOverlookedTheCard,
}

/// Who disturbs the clients of a station.
struct Disturber<'a> {
    place: &'a Place,
    station: Station,
    way: Way,
    random: Random,
    count: BTreeMap<Disturbance, u32>,
}

/// Lets clients work with a card for a time, and panics if they have not got what they should.
pub(crate) fn soak(way: Way, fate: Fate, time: Duration) {
    let mut station = Station::without_card(way);
    let initialized = ["--initialize", "--pin", PIN, "--so-pin", SO_PIN];
    station.deliver(&[&initialized[..], &["--key", "ec:secp256r1,id=10"]].concat());
    let place = Place::at(&station);
    let handles = station.card().handles();
    let client = |number| Client { place: &place, number };
    let count = BTreeMap::new();
    let random = Random::new(way.choose(1, 2));
    let mut disturber = Disturber { place: &place, station, way, random, count };

    let (memory, keys, written) = thread::scope(|scope| {
        let keys = scope.spawn(|| opensc::go_on(&client(0)));
        let writers = [1, 2].map(|number| scope.spawn(move || writer::go_on(&client(number))));
        let memory = disturber.go_on(fate, time);
        (memory, keys.join().unwrap(), writers.map(|writer| writer.join().unwrap()))
    });

    let work = place.work();
    place.begin_again();
    let mut acknowledged = opensc::check(&client(0), &keys);
    for (number, mut written) in (1..).zip(written) {
        acknowledged += writer::check(&client(number), &mut written);
    }
    disturber.report(fate, time, work, acknowledged);
    if fate == Fate::LivesOn {
        disturber.needs_no_more_than(memory, handles);
    }
}

impl Disturber<'_> {
    /// Disturbs the clients until the time is over: the most memory that the card's program had in
    /// the second quarter of it, and in the last.
    fn go_on(&mut self, fate: Fate, time: Duration) -> [u64; 2] {
        let _whatever_happens = Ending(self.place);
        let begun = Instant::now();
        let mut memory = [self.station.card().memory(); 2];
        while begun.elapsed() < time {
            self.place.wait_for_work(u64::from(3 + self.random.below(40)));
            if self.place.is_over() {
                break;
            }
            let what = self.choose(fate);
            self.disturb(what);
            let quarter = 4 * begun.elapsed().as_millis() / time.as_millis();
            match (&mut memory, quarter) {
                ([most, _], 1) | ([_, most], 3) => *most = self.station.card().memory().max(*most),
                _ => {}
            }
        }
        self.place.disturb(|| {
            self.place.end();
            self.station.socket()
        });
        memory
    }

    fn choose(&mut self, fate: Fate) -> Disturbance {
        use Disturbance::{
            CardEnded, CardKilled, CardReset, CardTakenOut, ClientKilled, PcscdKilled,
        };
        let of_this_fate = match fate {
            Fate::LivesOn => [ClientKilled, CardReset, CardTakenOut],
            Fate::IsKilled => [ClientKilled, CardKilled, CardEnded],
        };
        let also = self.way.choose([PcscdKilled].as_slice(), &[]);
        let all = [&of_this_fate, also].concat();
        let number = self.random.below(u32::try_from(all.len()).unwrap());
        all[usize::try_from(number).unwrap()]
    }

    fn disturb(&mut self, what: Disturbance) {
        let place = self.place;
        place.disturb(|| {
            self.does(what);
            self.station.socket()
        });
    }

    fn does(&mut self, what: Disturbance) {
        *self.count.entry(what).or_default() += 1;
        match what {
            Disturbance::ClientKilled => {
                let clients = u32::try_from(CLIENTS.len()).unwrap();
                self.place.kill(usize::try_from(self.random.below(clients)).unwrap());
            }
            Disturbance::CardReset => self.station.terminal().reset(),
            Disturbance::CardTakenOut => {
                self.station.take_card_out();
                self.station.put_card_in();
                self.see_card();
            }
            Disturbance::CardKilled => {
                self.station.kill_card();
                self.station.start_card();
                self.see_card();
            }
            Disturbance::CardEnded => {
                self.station.end_card();
                self.station.start_card();
                self.see_card();
            }
            Disturbance::PcscdKilled | Disturbance::PcscdOverlookedTheCard => {
                self.station.pcscd().stop();
                self.station.pcscd().start();
                self.station.terminal().wait_for_card();
            }
        }
    }

    fn see_card(&mut self) {
        if !self.station.terminal().has_card_within(UNTIL_SEEN) {
            assert_eq!(self.way, Way::Pcscd, "clients do not see the card");
            self.does(Disturbance::PcscdOverlookedTheCard);
        }
    }

    fn report(
        &self,
        fate: Fate,
        time: Duration,
        work: [(u64, u64); CLIENTS.len()],
        acknowledged: u64,
    ) {
        println!("{:?}, a card whose program {fate:?}, {} s:", self.way, time.as_secs());
        for (name, (done, failed)) in CLIENTS.iter().zip(work) {
            println!("    {name}: {done} done, {failed} times disturbed");
        }
        println!("    {:?}", self.count);
        println!("    {acknowledged} acknowledged writes, none lost");
    }

    /// Looks what the program needs, once it has noticed that its clients are gone.
    fn needs_no_more_than(&self, [second, last]: [u64; 2], handles: usize) {
        let card = self.station.card();
        let begun = Instant::now();
        while card.handles() > handles && begun.elapsed() < UNTIL_SEEN {
            thread::yield_now();
        }
        let now = card.handles();
        println!("    memory: {second} bytes in the second quarter, {last} in the last");
        println!("    handles: {handles} at the beginning, {now} at the end");
        assert!(last <= second + ROOM, "memory has grown");
        assert!(now <= handles, "handles have become more");
    }
}

/// Ends the clients when somebody leaves, who may have been thrown out.
struct Ending<'a>(&'a Place);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
