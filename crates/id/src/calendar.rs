//! The Gregorian calendar, carried on into the past and the future: day numbers to dates and back.
//!
//! Day 0 is 1970-01-01. Eras of 400 years begin on 1 March, so that a leap day is the last of its year.

/// Days of an era.
const ERA: i64 = 146_097;

/// From 1 March of year 0 to 1970-01-01, in days.
const EPOCH: i64 = 719_468;

/// Year, month (1 to 12) and day (1 to 31) of a day number.
pub fn date(days: i64) -> (i64, u8, u8) {
    let shifted = days + EPOCH;
    let era = shifted.div_euclid(ERA);
    let day_of_era = shifted.rem_euclid(ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let small = |value: i64| u8::try_from(value).expect("months and days are below 32");
    (year, small(month), small(day))
}

/// Day number of a date that exists.
pub fn day_number(year: i64, month: u8, day: u8) -> i64 {
    let year_from_march = year - i64::from(month <= 2);
    let era = year_from_march.div_euclid(400);
    let year_of_era = year_from_march.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * ERA + day_of_era - EPOCH
}

/// Days of a month, 1 to 12.
pub fn days_in_month(year: i64, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_one_date_and_one_number() {
        let (mut year, mut month, mut day) = (-401, 1, 1);
        for number in day_number(-401, 1, 1)..=day_number(2_401, 12, 31) {
            assert_eq!(date(number), (year, month, day));
            assert_eq!(day_number(year, month, day), number);
            day += 1;
            if day > days_in_month(year, month) {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(-719_162), (1, 1, 1));
    }
}
