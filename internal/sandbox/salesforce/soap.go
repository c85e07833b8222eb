package salesforce

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
)

// lastSoapLogin is the newest API version with a SOAP login call.
const lastSoapLogin = 64

const soapPath = "/services/Soap/"

type soapLogin struct {
	Username string `xml:"Body>login>username"`
	Password string `xml:"Body>login>password"`
}

// soap serves the login call of the SOAP API, which older clients start with
// when they are given a user name and a password. Nothing else of SOAP is here.
func (s *Server) soap(c *call) *response {
	parts := strings.Split(strings.TrimPrefix(c.path, soapPath), "/")
	if len(parts) < 2 || c.method != http.MethodPost {
		return soapFault("UNKNOWN_EXCEPTION", "the SOAP endpoint takes POST /services/Soap/u/NN.0")
	}
	version, err := strconv.ParseFloat(parts[1], 64)
	if err != nil || version < firstVersion || version > lastSoapLogin {
		return soapFault("UNSUPPORTED_API_VERSION", "SOAP API login() is not available in version "+parts[1]+"; use OAuth")
	}
	var in soapLogin
	if err := xml.Unmarshal(c.body, &in); err != nil {
		return soapFault("UNKNOWN_EXCEPTION", "the envelope cannot be read: "+err.Error())
	}
	s.mu.Lock()
	user, known := s.users[strings.ToLower(strings.TrimSpace(in.Username))]
	s.mu.Unlock()
	if !known || user.Password == "" || user.Password != in.Password || user.Locked {
		s.counters.add("login.refused")
		return soapFault("INVALID_LOGIN", "INVALID_LOGIN: Invalid username, password, security token; or user locked out.")
	}
	return s.soapLoggedIn(c, user, parts[0]+"/"+parts[1])
}

func (s *Server) soapLoggedIn(c *call, user User, service string) *response {
	body := `<?xml version="1.0" encoding="UTF-8"?>` +
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><loginResponse><result>` +
		`<metadataServerUrl>` + escape(c.base+soapPath+"m/"+service[2:]+"/"+s.org[:15]) + `</metadataServerUrl>` +
		`<passwordExpired>false</passwordExpired><sandbox>true</sandbox>` +
		`<serverUrl>` + escape(c.base+soapPath+service+"/"+s.org[:15]) + `</serverUrl>` +
		`<sessionId>` + escape(s.login(user.ID)) + `</sessionId><userId>` + user.ID + `</userId><userInfo>` +
		`<organizationId>` + s.org + `</organizationId><organizationName>` + escape(s.options.OrgName) + `</organizationName>` +
		`<sessionSecondsValid>` + strconv.Itoa(int(s.options.SessionTimeout.Seconds())) + `</sessionSecondsValid>` +
		`<userEmail>` + escape(user.Username) + `</userEmail><userFullName>` + escape(user.Username) + `</userFullName>` +
		`<userId>` + user.ID + `</userId><userName>` + escape(user.Username) + `</userName><userType>Standard</userType>` +
		`</userInfo></result></loginResponse></soapenv:Body></soapenv:Envelope>`
	return &response{status: http.StatusOK, text: body, header: xmlHeader()}
}

func soapFault(code, message string) *response {
	body := `<?xml version="1.0" encoding="UTF-8"?>` +
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault>` +
		`<faultcode>sf:` + code + `</faultcode><faultstring>` + escape(message) + `</faultstring><detail>` +
		`<sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>` + code + `</sf:exceptionCode>` +
		`<sf:exceptionMessage>` + escape(message) + `</sf:exceptionMessage></sf:LoginFault></detail>` +
		`</soapenv:Fault></soapenv:Body></soapenv:Envelope>`
	return &response{status: http.StatusInternalServerError, text: body, header: xmlHeader()}
}

func xmlHeader() map[string]string {
	return map[string]string{"Content-Type": "text/xml;charset=UTF-8"}
}

func escape(text string) string {
	var b bytes.Buffer
	// A buffer takes everything.
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}
