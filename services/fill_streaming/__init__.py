"""Fill streaming: stores every venue trade of an account once, and says how much it stored."""
