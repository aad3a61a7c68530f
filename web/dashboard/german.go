package dashboard

// german has the texts in German. What is not here is shown in English.
var german = map[string]string{
	"2 Jan 2006":             "2.1.2006",
	"2 Jan 2006, 15:04":      "2.1.2006, 15:04",
	"Log in":                 "Anmelden",
	"Log out":                "Abmelden",
	"Links":                  "Links",
	"Analytics":              "Auswertung",
	"Something is not right": "Etwas stimmt nicht",
	"Clicks":                 "Klicks",
	"Skip to content":        "Zum Inhalt",
}
